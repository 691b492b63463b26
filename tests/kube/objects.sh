# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154 # those variables are of server.sh
# Files of manifests, brought to the API server of server.sh; sourced after it.

# objects_documents FILE: each into $server_dir/doc.N.
objects_documents() {
	rm -f "$server_dir"/doc.*
	awk -v prefix="$server_dir/doc." 'BEGIN { n = 1 } /^---$/ { n++; next } { print > (prefix n) }' "$1"
}

# objects_field DOC NAME: the first such field at the top or of the metadata.
objects_field() {
	sed -nE "s/^ {0,2}$2: *(\"?)([^\"{]*)\1\$/\2/p" "$1" | head -n 1
}

# objects_where DOC: the path to create it.
objects_where() {
	local version kind namespace plural
	version=$(objects_field "$1" apiVersion) kind=$(objects_field "$1" kind) namespace=$(objects_field "$1" namespace)
	plural=${kind,,}s plural=${plural/%ys/ies}
	[[ $version = */* ]] && version=/apis/$version || version=/api/$version
	echo "$version${namespace:+/namespaces/$namespace}/$plural"
}

# objects_apply FILE: all its documents; prints what is wrong.
objects_apply() {
	local doc
	objects_documents "$1"
	for doc in "$server_dir"/doc.*; do
		server_request POST "$(objects_where "$doc")?fieldValidation=Strict" "$(cat "$doc")" application/yaml >"$server_dir/said"
		[ "$server_code" = 201 ] || echo "$(objects_field "$doc" kind) $(objects_field "$doc" name): $server_code $(jq -r .message "$server_dir/said" 2>/dev/null)"
	done
}
