core_src += gossip/gossip.c gossip/member.c gossip/packet.c gossip/item.c gossip/rumour.c gossip/probe.c gossip/sync.c \
	gossip/join.c gossip/watch.c gossip/ring.c gossip/edge.c gossip/timers.c gossip/seal.c gossip/drop.c
core_src += gossip/source.c gossip/keys.c gossip/keys_report.c gossip/keys_wish.c gossip/lastword.c
shell_src += gossip/udp.c
