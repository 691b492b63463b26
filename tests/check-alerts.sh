#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Alerts, dashboard and runbook: do the rules hold, does each alert have a test and an entry, does each metric exist?
set -eu

alerts=deploy/prometheus/alerts.yaml
dashboard=deploy/grafana/mlbd.json
failed=0

fail() {
	echo "check-alerts: $1" >&2
	failed=1
}

PATH=$PATH:$(tools/promtool.sh)
promtool check rules "$alerts" >/dev/null || fail "$alerts is no good"
(cd deploy/prometheus && promtool test rules alerts_test.yaml) >&2 || fail 'alerts_test.yaml failed'
jq -e ".panels | length > 0" "$dashboard" >/dev/null || fail "$dashboard is no JSON"

n=0
while read -r name; do
	n=$((n + 1))
	grep -qx "## $name" docs/runbook.md || fail "docs/runbook.md has no entry for $name"
	for what in 'fires' 'is quiet'; do
		grep -qx "  - name: $name $what" deploy/prometheus/alerts_test.yaml || fail "no test '$name $what'"
	done
	grep -q "runbook: docs/runbook.md#$(echo "$name" | tr '[:upper:]' '[:lower:]')\$" "$alerts" || fail "$name: wrong runbook link"
done <<-END
	$(sed -n 's/^ *- alert: //p' "$alerts")
END
[ "$n" -gt 0 ] || fail "$alerts has no alert"
[ "$n" -eq "$(grep -c '^## Mlb' docs/runbook.md)" ] || fail 'docs/runbook.md has entries of alerts that do not exist'

# What the manual lists is what the daemon writes: tests/unit/test_metrics.c holds that.
while read -r metric; do
	grep -q "^\.It Ic ${metric%_bucket} " man/mlbd.8 || fail "no such metric: $metric"
done <<-END
	$(grep -ohE '(mlb|metallb|process)_[a-z0-9_]+' "$alerts" "$dashboard" deploy/prometheus/alerts_test.yaml | sort -u)
END
exit "$failed"
