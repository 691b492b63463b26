/* SPDX-License-Identifier: Apache-2.0 */
/* Every limit of the project in one place, each with its reason. Loops over outside data are bounded by these. */
#ifndef MLB_BASE_LIMITS_H
#define MLB_BASE_LIMITS_H

/* A node's name: a DNS label is 63 bytes; host names of this length are what people have. */
#define NODE_NAME_MAX 63

/* A service's name. Kubernetes "namespace/name" is 63 + 1 + 253; longer ones are refused with an error. */
#define SERVICE_NAME_MAX 127

/* Linux: IFNAMSIZ is 16 with the terminator. */
#define IFACE_NAME_MAX 15

/* Members that one node can know. Design range is 3 to 1,000; 10,000 in simulation. */
#define MEMBER_MAX 10240

/* Default table size of a daemon; memory is reserved for this many at start. */
#define MEMBER_DEFAULT 1024

/* Encoded metadata of a node (labels, MACs, segments): several records still share one datagram. */
#define META_LEN_MAX 512

/* Labels of a node, and the text of each key and value (Kubernetes allows 63 for a value, 253 + 63 for a key). */
#define LABEL_MAX 16
#define LABEL_TEXT_MAX 63

/* Segments (interface + subnet) and MACs that a node tells the others about. */
#define SEGMENT_MAX 8

/* Seeds in `gossip.join`. */
#define SEED_MAX 64

/* Addresses of one node that gossip uses at once (`gossip.bind` as a list). Two is usual; corosync allows eight links. */
#define PATH_MAX_N 4

/* Largest UDP payload that we send unless configured: fits a 1500-byte MTU with IPv6 and one VLAN/VXLAN header. */
#define PACKET_LEN_DEFAULT 1400

/* Largest UDP payload that we read or may be configured to send: a jumbo frame. */
#define PACKET_LEN_MAX 8900

/* Smallest permitted packetSize: one full member record (metadata included) must fit. */
#define PACKET_LEN_MIN 800

/* Replicated items (claims): key and value bytes. */
#define ITEM_KEY_MAX 20
#define ITEM_VALUE_MAX 48

/* Items that a node stores over all origins: 10,000 addresses on every side of a move, and room. Only what is used is touched. */
#define ITEM_MAX 65536

/* Addresses and services that one node handles. */
#define ADDRESS_MAX 16384
#define SERVICE_MAX 16384

/* Addresses that one service may list. */
#define SERVICE_ADDRESS_MAX 1024

/* Interfaces that a service may name, and selectors on it. */
#define SERVICE_INTERFACE_MAX 8
#define SELECTOR_MAX 8

/* Preferences of a service, each with its weight as in Kubernetes; services that one may name as to be avoided. */
#define PREFERENCE_MAX 8
#define PREFERENCE_WEIGHT_MAX 100
#define SERVICE_PRIORITY_MAX 100
#define SERVICE_AVOID_MAX 8

/* Services of a node with a health check, and the arguments and bytes of its command, and those of a URL. */
#define CHECK_MAX 1024
#define CHECK_ARG_MAX 64
#define CHECK_COMMAND_MAX 4096
#define CHECK_URL_MAX 1024

/* Health checks that run at once; more wait. Each is a process of its own. */
#define CHECK_RUN_MAX 32

/* What a node's share of addresses is in proportion to. */
#define NODE_WEIGHT_DEFAULT 100
#define NODE_WEIGHT_MAX 1000

/* Links and addresses of the host that netlink/ tracks. */
#define LINK_MAX 1024
#define LINK_ADDRESS_MAX 32768

/* Configuration: size of the file, nesting and number of reported errors. */
#define CONFIG_FILE_MAX (1024 * 1024)
#define CONFIG_ERROR_MAX 64

/*
 * Pools of the configuration, and services that have addresses of them; names of those that a command adds (they fit an item's value);
 * removed services that are remembered, lest somebody who was away brings them back.
 */
#define CONFIG_POOL_MAX 256
#define CONFIG_POOL_RANGE_MAX 256
#define LEDGER_MAX 4096
#define LEDGER_NAME_MAX ITEM_VALUE_MAX
#define LEDGER_GRAVE_MAX 256
#define LEDGER_FILE_MAX (2 * 1024 * 1024)

/* Keys in a key ring. */
#define KEY_MAX 8

/* Events kept for `mlbctl events`. */
#define EVENT_RING_MAX 1024

/* Control API: connections at once and bytes of a request body. */
#define CONTROL_CONNECTION_MAX 32
#define CONTROL_BODY_MAX 65536

/*
 * Objects of the Kubernetes API. An object is 1.5 MB at most (etcd), a slice has 1,000 endpoints (its validation); the rest is far
 * above what people write, and keeps one object from costing much.
 */
#define KUBE_LABEL_MAX 1024
#define KUBE_ENDPOINT_MAX 1000
#define KUBE_PORT_MAX 4096
#define KUBE_RANGE_MAX 4096
#define KUBE_SELECTOR_MAX 256
#define KUBE_REQUIREMENT_MAX 256
#define KUBE_VALUE_MAX 1024
#define KUBE_NAME_LIST_MAX 4096
#define KUBE_INTERFACE_MAX 256
#define KUBE_PREFERENCE_MAX 256
#define KUBE_CONDITION_MAX 256

/*
 * Talking to the API server. One object is 1.5 MB at most in etcd, and JSON may be twice what is stored; everything of a list's body that
 * is not its items is its metadata; a Status is a few hundred bytes.
 */
#define KUBE_OBJECT_LEN_MAX (4 * 1024 * 1024)
#define KUBE_ENVELOPE_LEN_MAX (64 * 1024)
#define KUBE_STATUS_LEN_MAX (64 * 1024)
/* Answers to single requests: an object, or one page that somebody lists by hand. */
#define KUBE_BODY_LEN_MAX (8 * 1024 * 1024)
/* Objects of one kind that are followed, and bytes of changed ones that a relist holds back until it is complete. */
#define KUBE_FOLLOWED_MAX 262144
#define KUBE_STAGE_LEN_MAX (16 * 1024 * 1024)
/* Resource versions are 64-bit numbers so far, though opaque; continue tokens some hundred bytes. */
#define KUBE_VERSION_MAX 63
#define KUBE_CONTINUE_MAX 2047
/* Paths with their query: a continue token escaped, selectors, and names. */
#define KUBE_PATH_MAX 16384
#define KUBE_SELECTOR_TEXT_MAX 2047
/* Requests that wait for their turn: a status write and some events for each service. */
#define KUBE_QUEUE_MAX 65536
/* Requests in flight at once beside watches and leases: enough for 200 writes a second at 40 ms each, kind to the server. */
#define KUBE_FLIGHT_MAX 8
/* kubeconfig: bytes of one file (certificates inline), and files that KUBECONFIG may list. libyaml bounds the nesting. */
#define KUBE_CONFIG_FILE_MAX (1024 * 1024)
#define KUBE_CONFIG_FILES_MAX 16
/* Certificates, keys and tokens in files; bound tokens are 1 to 4 kB, bundles of authorities some dozen kB. */
#define KUBE_SECRET_FILE_MAX (512 * 1024)
#define KUBE_TOKEN_MAX 16384

#endif
