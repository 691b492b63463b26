/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/diagnose_finding.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

static const struct finding_kind kinds[FINDING_N] = {
	[FINDING_NOT_JOINED] = {
		"not-joined",
		FINDING_ERROR,
		"this node has not heard the cluster yet, and claims nothing until it has, or the join "
		"timeout is over",
		"wait some seconds; then see peer-unreachable and packets-refused",
	},
	[FINDING_DRAINING] = {
		"draining",
		FINDING_INFO,
		"somebody drained this node: it takes no addresses",
		"mlbctl undrain, when the work is done",
	},
	[FINDING_CAPABILITY_MISSING] = {
		"capability-missing",
		FINDING_ERROR,
		"the daemon may not do what it must, or not all of what is configured",
		"start it as root or by its systemd unit, which names what it needs",
	},
	[FINDING_REALTIME_REFUSED] = {
		"realtime-refused",
		FINDING_WARNING,
		"on a loaded host the daemon may get the processor too late, and be taken for dead",
		"give it CAP_SYS_NICE or LimitRTPRIO, or set process.realtimePriority: 0",
	},
	[FINDING_MEMORY_NOT_LOCKED] = {
		"memory-not-locked",
		FINDING_WARNING,
		"the daemon may be swapped out, and then be taken for dead",
		"give it CAP_IPC_LOCK or LimitMEMLOCK=infinity, or set process.lockMemory: false",
	},
	[FINDING_LOOP_LATE] = {
		"loop-late",
		FINDING_WARNING,
		"the daemon gets the processor late, which eats the margin against false alarms",
		"a less loaded host, real-time priority, or a slower gossip.profile",
	},
	[FINDING_INTERFACE_MISSING] = {
		"interface-missing",
		FINDING_ERROR,
		"a service names an interface that this host does not have, so this node cannot own it there",
		"create the interface, or correct `interfaces:` of the service",
	},
	[FINDING_INTERFACE_DOWN] = {
		"interface-down",
		FINDING_ERROR,
		"the interface of service addresses is switched off, so this node cannot own them",
		"ip link set INTERFACE up",
	},
	[FINDING_INTERFACE_NO_CARRIER] = {
		"interface-no-carrier",
		FINDING_ERROR,
		"the interface of service addresses has no link, so this node cannot own them",
		"look at the cable, the switch port, the bond or the virtual network behind it",
	},
	[FINDING_INTERFACE_UNFIT] = {
		"interface-unfit",
		FINDING_ERROR,
		"the interface is no Ethernet, or belongs to a bridge or bond: nothing can be announced there",
		"name the bridge or the bond itself, or another interface",
	},
	[FINDING_SUBNET_MISSING] = {
		"subnet-missing",
		FINDING_ERROR,
		"no interface of this host has a subnet with that address, so this node cannot own it",
		"add an address of the subnet to an interface, or name `interfaces:` for the service",
	},
	[FINDING_SEGMENT_SILENT] = {
		"segment-silent",
		FINDING_ERROR,
		"nothing answers behind the interface though it has a carrier: others own its addresses if they can",
		"look at the switch port and its VLAN: ping the gateway and the other nodes there",
	},
	[FINDING_IPV6_DISABLED] = {
		"ipv6-disabled",
		FINDING_ERROR,
		"the kernel refuses IPv6 addresses there, so this node cannot serve them",
		"sysctl net.ipv6.conf.INTERFACE.disable_ipv6=0",
	},
	[FINDING_DAD_DISABLES_IPV6] = {
		"dad-disables-ipv6",
		FINDING_WARNING,
		"one duplicate link-local address there switches all of IPv6 off on the interface",
		"sysctl net.ipv6.conf.INTERFACE.accept_dad=1",
	},
	[FINDING_ARP_FLUX] = {
		"arp-flux",
		FINDING_WARNING,
		"the kernel answers ARP for addresses of one interface on another one in the same subnet: "
		"clients may learn the wrong MAC",
		"sysctl net.ipv4.conf.INTERFACE.arp_ignore=1 on both",
	},
	[FINDING_ARP_ANNOUNCE] = {
		"arp-announce",
		FINDING_INFO,
		"ARP questions of this host may carry a service address as their sender, also after it has moved",
		"sysctl net.ipv4.conf.all.arp_announce=2",
	},
	[FINDING_RP_FILTER_STRICT] = {
		"rp-filter-strict",
		FINDING_WARNING,
		"packets to service addresses are dropped where the way back leads over another interface",
		"sysctl net.ipv4.conf.INTERFACE.rp_filter=2, or a route back over the same interface",
	},
	[FINDING_GARP_IGNORED] = {
		"garp-ignored",
		FINDING_WARNING,
		"this host ignores announcements: after a move it goes on sending to the former owner for some time",
		"sysctl net.ipv4.conf.INTERFACE.drop_gratuitous_arp=0",
	},
	[FINDING_MTU_TOO_SMALL] = {
		"mtu-too-small",
		FINDING_WARNING,
		"full packets of gossip are fragmented, or lost where fragments are dropped",
		"raise the MTU, or lower gossip.packetSize on every node",
	},
	[FINDING_ADDRESS_UNOWNED] = {
		"address-unowned",
		FINDING_ERROR,
		"nobody serves the address",
		"mlbctl services --explain ADDRESS says why no node can take it",
	},
	[FINDING_ADDRESS_TAKEN] = {
		"address-taken",
		FINDING_ERROR,
		"a host that is no member has the address, so no member serves it",
		"mlbctl conflicts shows its MAC: take the address off that host",
	},
	[FINDING_ADDRESS_HELD_DOWN] = {
		"address-held-down",
		FINDING_WARNING,
		"the address moved so often that this node waits before it takes it again",
		"find out in mlbctl events why it moves",
	},
	[FINDING_ADDRESS_CONFLICT] = {
		"address-conflict",
		FINDING_ERROR,
		"a host that is no member speaks for an address of this node: some clients reach that one",
		"find the MAC in the tables of the switch, and take the address off that host",
	},
	[FINDING_DUPLICATE_OWNER] = {
		"duplicate-owner",
		FINDING_ERROR,
		"two members spoke for one address within minutes",
		"compare `mlbctl services` of both; a cut network ends it by itself, else drain one of the two",
	},
	[FINDING_CHECK_FAILING] = {
		"check-failing",
		FINDING_WARNING,
		"the service does not work on this host, so its addresses go to nodes where it does",
		"mend the service; mlbctl -o json services has what the check said",
	},
	[FINDING_MEMBER_DEAD] = {
		"member-dead",
		FINDING_WARNING,
		"the member answers nobody: it is off, or cut off",
		"look at that host; if it is not to come back, it is forgotten by itself",
	},
	[FINDING_MEMBER_SUSPECT] = {
		"member-suspect",
		FINDING_WARNING,
		"the member is silent at the moment, and about to be declared dead",
		"ask again in a second; look at that host and at the network to it",
	},
	[FINDING_MEMBER_LOSS] = {
		"member-loss",
		FINDING_WARNING,
		"heartbeats between this node and the member are lost",
		"look for errors at both links (ip -s link) and at the switches between them",
	},
	[FINDING_MEMBER_UNHEALTHY] = {
		"member-unhealthy",
		FINDING_WARNING,
		"the member is too slow for its own timers, so its failures are noticed later",
		"a less loaded host, real-time priority, or a slower gossip.profile",
	},
	[FINDING_MEMBER_PATH_DOWN] = {
		"member-path-down",
		FINDING_WARNING,
		"one of the networks of gossip to the member is silent: the next failure may cut it off",
		"look at that network on both hosts",
	},
	[FINDING_PEER_UNREACHABLE] = {
		"peer-unreachable",
		FINDING_WARNING,
		"a peer of gossip.join is no member: it is down, behind a firewall, or has another key",
		"is mlbd running there? Is UDP of gossip.port let through both ways? See packets-refused",
	},
	[FINDING_CLOCK_AHEAD] = {
		"clock-ahead",
		FINDING_WARNING,
		"the member was started in our future, so one of the two clocks is or was wrong: times in "
		"logs do not compare",
		"set the clocks by NTP on both hosts; elections do not depend on them",
	},
	[FINDING_GOSSIP_INSECURE] = {
		"gossip-insecure",
		FINDING_WARNING,
		"gossip is not sealed: whoever reaches the port can take addresses",
		"set gossip.keyFile on every node in place of insecure: true",
	},
	[FINDING_KEYS_DIFFER] = {
		"keys-differ",
		FINDING_WARNING,
		"members lack a key with which others seal, and cannot hear them",
		"mlbctl keys add, or copy the key file to them and reload",
	},
	[FINDING_KEYS_SEALING_DIFFER] = {
		"keys-sealing-differ",
		FINDING_INFO,
		"members seal with different keys: a rotation is under way",
		"finish it: mlbctl keys use, then mlbctl keys remove",
	},
	[FINDING_KEYS_SILENT] = {
		"keys-silent",
		FINDING_WARNING,
		"live members have not reported their keys, so a rotation cannot be judged",
		"is their version older? Else ask again in some seconds",
	},
	[FINDING_KEYS_NOT_STORED] = {
		"keys-not-stored",
		FINDING_WARNING,
		"members could not write their key file: after a restart they have the former keys",
		"make the file and its folder writable for the daemon, or copy the file",
	},
	[FINDING_PACKETS_REFUSED] = {
		"packets-refused",
		FINDING_WARNING,
		"packets of gossip could not be opened: another key, another cluster on this port, or forged",
		"compare mlbctl keys list of all nodes; if they agree, find the sender (tcpdump) and block it",
	},
	[FINDING_NO_RIGHT] = {
		"no-right",
		FINDING_ERROR,
		"neither the watchers of this node nor its segment are behind it: it may hold nothing",
		"look at its links, its switch port and the firewall; then it needs no help",
	},
	[FINDING_GATE_MISSING] = {
		"gate-missing",
		FINDING_WARNING,
		"the kernel has no gate, so a daemon that hangs is fenced only when its addresses run out",
		"load nf_tables (with the arp family), or set fencing.gate: off if that is wanted",
	},
	[FINDING_GATE_ABSENT] = {
		"gate-absent",
		FINDING_ERROR,
		"another program removed the tables of the gate; they are being made again",
		"let that program flush its own tables only, not the whole ruleset",
	},
	[FINDING_GATE_FLUSHED] = {
		"gate-flushed",
		FINDING_WARNING,
		"another program removed the tables of the gate since the daemon started; they are back",
		"let that program flush its own tables only, not the whole ruleset",
	},
	[FINDING_GUARD_MISSING] = {
		"guard-missing",
		FINDING_WARNING,
		"no guard is there: a daemon that dies is noticed by detection only",
		"journalctl -u mlbd -u mlbd-guard; systemctl restart mlbd-guard",
	},
	[FINDING_API_SERVER_UNREACHABLE] = {
		"api-server-unreachable",
		FINDING_ERROR,
		"what the API server says is not known any more: the last state is kept",
		"look at the API server, and at the network and the credentials of this node",
	},
	[FINDING_KUBERNETES_CONFIG] = {
		"kubernetes-config",
		FINDING_ERROR,
		"pools or advertisements are not valid: the last valid ones stay in force",
		"correct the custom resource that is named",
	},
};

const struct finding_kind *finding_kind_of(enum finding_code code)
{
	assert(code < FINDING_N);
	return &kinds[code];
}

const char *finding_severity_name(enum finding_severity severity)
{
	switch (severity) {
	case FINDING_INFO:
		return "info";
	case FINDING_WARNING:
		return "warning";
	case FINDING_ERROR:
		return "error";
	}
	return "error";
}

void finding_add(struct diagnosis *d, enum finding_code code, const char *subject, const char *format, ...)
{
	struct finding *finding;
	va_list args;

	if (d->finding_n++ >= FINDING_MAX)
		return;
	finding = &d->findings[d->finding_n - 1];
	finding->code = code;
	(void)snprintf(finding->subject, sizeof(finding->subject), "%s", subject);
	va_start(args, format);
	(void)vsnprintf(finding->detail, sizeof(finding->detail), format, args);
	va_end(args);
}
