# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# A real API server with its etcd on loopback, for tests; sourced. Certificates, tokens and ports are made for each run. RBAC is on.
#
#   server_init DIR              a folder for everything; needs KUBE_APISERVER and ETCD (build.sh prints them)
#   server_start [FLAG...]       both, or the API server alone when etcd runs; flags replace and add to those below. Waits until ready
#   server_stop                  the API server, at once: it has seconds of patience with watches
#   server_pause, server_resume  it hangs, and its kernel still acknowledges
#   server_end                   everything
#   server_request METHOD PATH [BODY [TYPE]]  as the admin; the answer on standard output, its status in $server_code
#   server_kubeconfig USER       writes DIR/USER.kubeconfig for a token user; its path is printed
#
# Users are token users (their tokens are "token-USER", in DIR/USER.token): admin; agent and other with the rights that a test gives
# them. server_url, server_port and DIR/ca.crt say where the server is. Before server_init, server_address (127.0.0.1) may name another
# address, and server_in a command that runs everything in another network namespace ("ip netns exec NAME").
server_address=127.0.0.1
server_in=()

server_init() {
	server_dir=$1
	mkdir -p "$server_dir/pki"
	server_port=$(server_free_port)
	server_etcd_port=$(server_free_port)
	server_peer_port=$(server_free_port)
	server_url=https://$server_address:$server_port
	server_pki >"$server_dir/openssl.log" 2>&1 || {
		cat "$server_dir/openssl.log" >&2
		return 1
	}
	local user
	# token,name,uid,groups: admin may everything, and has no limits.
	echo 'token-admin,admin,u-admin,"system:masters"' >"$server_dir/tokens.csv"
	for user in agent other; do
		echo "token-$user,$user,u-$user,\"system:authenticated\"" >>"$server_dir/tokens.csv"
	done
	for user in admin agent other; do
		(umask 077 && echo "token-$user" >"$server_dir/$user.token")
	done
}

# A port that nobody listens on, beyond those that the kernel gives to clients.
server_free_port() {
	local port
	while :; do
		port=$((10000 + RANDOM % 20000))
		[ -n "$("${server_in[@]}" ss -Htln "sport = :$port")" ] || break
	done
	echo "$port"
}

# server_authority NAME: a certificate authority.
server_authority() {
	openssl ecparam -name prime256v1 -genkey -noout -out "$1.key" &&
		openssl req -x509 -new -key "$1.key" -days 2 -subj "/CN=$1" -out "$1.crt"
}

# server_certificate AUTHORITY NAME SUBJECT EXTENSIONS: signed by the authority.
server_certificate() {
	openssl ecparam -name prime256v1 -genkey -noout -out "$2.key" &&
		openssl req -new -key "$2.key" -subj "$3" -out "$2.csr" &&
		openssl x509 -req -in "$2.csr" -CA "$1.crt" -CAkey "$1.key" -CAcreateserial -days 2 -extfile <(printf '%s\n' "$4") -out "$2.crt"
}

server_pki() {
	(
		cd "$server_dir/pki" || exit
		server_authority ca && server_authority wrong &&
			server_certificate ca server /CN=kube-apiserver \
				$'extendedKeyUsage=serverAuth\nsubjectAltName=IP:127.0.0.1,DNS:localhost,DNS:api.test'",IP:$server_address" &&
			server_certificate ca client /O=system:masters/CN=admin extendedKeyUsage=clientAuth &&
			openssl genrsa -out sa.key 2048 && openssl rsa -in sa.key -pubout -out sa.pub
	) && cp "$server_dir/pki/ca.crt" "$server_dir/ca.crt"
}

server_start_etcd() {
	"${server_in[@]}" "$ETCD" --name t --data-dir "$server_dir/etcd" --unsafe-no-fsync --logger zap --log-level error \
		--listen-client-urls "http://127.0.0.1:$server_etcd_port" --advertise-client-urls "http://127.0.0.1:$server_etcd_port" \
		--listen-peer-urls "http://127.0.0.1:$server_peer_port" --initial-advertise-peer-urls "http://127.0.0.1:$server_peer_port" \
		--initial-cluster "t=http://127.0.0.1:$server_peer_port" >"$server_dir/etcd.log" 2>&1 &
	server_etcd_pid=$!
}

server_start() {
	local pki=$server_dir/pki
	[ -n "${server_etcd_pid:-}" ] || server_start_etcd
	"${server_in[@]}" "$KUBE_APISERVER" --etcd-servers="http://127.0.0.1:$server_etcd_port" --bind-address="$server_address" --advertise-address="$server_address" \
		--secure-port="$server_port" --endpoint-reconciler-type=none --tls-cert-file="$pki/server.crt" --tls-private-key-file="$pki/server.key" \
		--client-ca-file="$pki/ca.crt" --token-auth-file="$server_dir/tokens.csv" --anonymous-auth=false --authorization-mode=RBAC \
		--service-account-issuer=https://kubernetes.default.svc --service-account-key-file="$pki/sa.pub" \
		--service-account-signing-key-file="$pki/sa.key" --service-cluster-ip-range=10.96.0.0/16,fd00:10:96::/112 \
		--service-node-port-range=10000-65000 --disable-admission-plugins=ServiceAccount --cert-dir="$server_dir/generated" \
		"$@" >>"$server_dir/apiserver.log" 2>&1 &
	server_pid=$!
	server_wait 120
}

# server_wait SECONDS: until it is ready.
server_wait() {
	local deadline=$((SECONDS + $1))
	until [ "$("${server_in[@]}" curl -s -m 5 -o /dev/null -w '%{http_code}' --cacert "$server_dir/ca.crt" -H 'Authorization: Bearer token-admin' "$server_url/readyz")" = 200 ]; do
		if ! kill -0 "$server_pid" 2>/dev/null || [ "$SECONDS" -gt "$deadline" ]; then
			echo "the API server does not come up; the end of its log:" >&2
			tail -n 20 "$server_dir/apiserver.log" >&2
			return 1
		fi
		sleep 0.25
	done
}

server_stop() {
	kill -KILL "$server_pid" 2>/dev/null
	wait "$server_pid" 2>/dev/null
	server_pid=''
}

server_pause() {
	kill -STOP "$server_pid"
}

server_resume() {
	kill -CONT "$server_pid"
}

server_end() {
	[ -z "${server_pid:-}" ] || server_stop
	if [ -n "${server_etcd_pid:-}" ]; then
		kill -KILL "$server_etcd_pid" 2>/dev/null
		wait "$server_etcd_pid" 2>/dev/null
	fi
	server_etcd_pid=''
}

server_request() {
	local method=$1 path=$2 body=${3:-} type=${4:-application/json} answer=$server_dir/answer.$BASHPID # callers may run beside each other
	local arguments=(-s -m 60 -X "$method" --cacert "$server_dir/ca.crt" -H 'Authorization: Bearer token-admin' -H "Content-Type: $type")
	[ -z "$body" ] || arguments+=(--data-binary "$body")
	# shellcheck disable=SC2034 # for who sourced this
	server_code=$("${server_in[@]}" curl "${arguments[@]}" -o "$answer" -w '%{http_code}' "$server_url$path")
	cat "$answer"
}

# server_kubeconfig USER [CLUSTER-FIELD [USER-FIELD]]: the fields are lines that replace authority and token.
server_kubeconfig() {
	local file=$server_dir/$1.kubeconfig
	local cluster=${2:-certificate-authority: ca.crt} user=${3:-tokenFile: $1.token}
	cat >"$file" <<-END
		apiVersion: v1
		kind: Config
		current-context: test
		contexts:
		- name: test
		  context: {cluster: test, user: $1, namespace: default}
		clusters:
		- name: test
		  cluster:
		    server: $server_url
		    $cluster
		users:
		- name: $1
		  user:
		    $user
	END
	echo "$file"
}
