core_src += gossip/gossip.c gossip/member.c gossip/packet.c gossip/item.c gossip/rumour.c gossip/probe.c gossip/sync.c \
	gossip/join.c gossip/watch.c gossip/seal.c gossip/drop.c
shell_src += gossip/udp.c
