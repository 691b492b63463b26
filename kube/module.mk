# What objects mean and the rules are pure; talking to the API server is not.
kube_core := kube/arena.c kube/json.c kube/decode_core.c kube/decode_metallb.c kube/selector.c kube/pool.c kube/advert.c \
	kube/agent_rules.c kube/announced.c kube/controller_rules.c
core_src += $(kube_core)
# The client: what to ask and what answers mean is pure.
core_src += kube/scan.c kube/stream.c kube/status.c kube/url.c kube/table.c kube/known.c kube/picture.c kube/reflector.c kube/lease.c kube/store.c kube/plan.c kube/body.c kube/controller.c
shell_src += kube/secret.c kube/kubeconfig.c kube/config.c kube/http.c kube/client.c kube/watch.c kube/request.c kube/elect.c
