/* SPDX-License-Identifier: Apache-2.0 */
/* kube/config.c, kube/kubeconfig.c, kube/secret.c: what files say, and what is refused with a sentence. */
#include "kube/config.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static struct kube_config config;
static struct kube_reason why;
static char dir[] = "/tmp/test_kube_config.XXXXXX";

static void setup(void)
{
	unsetenv("KUBECONFIG");
	unsetenv("POD_NAMESPACE");
	unsetenv("DISABLE_HTTP2");
	unsetenv("KUBERNETES_SERVICE_HOST");
	setenv("HOME", "/nonexistent", 1);
	memset(&why, 0, sizeof(why));
}

static void teardown(void)
{
	kube_config_free(&config);
}

static void make_dir(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void remove_dir(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

static const char *path_of(const char *name)
{
	static char path[2][256];
	static int which;

	which = 1 - which;
	snprintf(path[which], sizeof(path[0]), "%s/%s", dir, name);
	return path[which];
}

static void write_file(const char *name, const char *text)
{
	FILE *file = fopen(path_of(name), "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
}

/* One context "c" with what a case gives for cluster and user. */
static int parse(const char *cluster, const char *user)
{
	char text[4096];

	snprintf(text, sizeof(text),
		 "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
		 "contexts: [{name: c, context: {cluster: k, user: u}}]\n"
		 "clusters: [{name: k, cluster: {%s}}]\nusers: [{name: u, user: {%s}}]\n",
		 cluster, user);
	return kube_config_parse(text, strlen(text), "/etc/x/config", NULL, &config, &why);
}

static const struct server_case {
	const char *cluster, *server, *connect_to; /* server NULL: refused */
} servers[] = {
	{ "server: 'https://10.0.0.1:6443'", "https://10.0.0.1:6443", NULL },
	{ "server: 'https://api.example.org'", "https://api.example.org:443", NULL },
	{ "server: 'https://api.example.org/k8s/clusters/c-1/'", "https://api.example.org:443/k8s/clusters/c-1", NULL },
	{ "server: 'https://[fd00::1]:6443'", "https://[fd00::1]:6443", NULL },
	{ "server: 'https://10.0.0.1:6443', tls-server-name: api.test", "https://api.test:6443",
	  "api.test:6443:10.0.0.1:6443" },
	{ "server: 'https://[fd00::1]:6443', tls-server-name: api.test", "https://api.test:6443",
	  "api.test:6443:[fd00::1]:6443" },
	{ "server: 'http://127.0.0.1:8001'", "http://127.0.0.1:8001", NULL },
	{ "server: ''", NULL, NULL },
	{ "other: x", NULL, NULL },
	{ "server: 10.0.0.1", NULL, NULL },
	{ "server: 'ftp://x'", NULL, NULL },
	{ "server: 'file:///etc/passwd'", NULL, NULL },
	{ "server: 'https://user:pw@x'", NULL, NULL },
	{ "server: 'https://x/?a=b'", NULL, NULL },
	{ "server: 'https://x/#a'", NULL, NULL },
	{ "server: 'https://x:99999'", NULL, NULL },
	{ "server: \"https://x\\r\\nA: b\"", NULL, NULL },
	{ "server: 'https://x', tls-server-name: 'a b'", NULL, NULL },
	{ "server: 'https://x', tls-server-name: 'a:b'", NULL, NULL },
};

START_TEST(server)
{
	const struct server_case *c = &servers[_i];
	int r = parse(c->cluster, "");

	if (c->server == NULL) {
		ck_assert_int_eq(r, -EINVAL);
		ck_assert_ptr_nonnull(strstr(why.text, "cluster 'k'"));
		ck_assert_ptr_null(config.server);
		return;
	}
	ck_assert_int_eq(r, 0);
	ck_assert_str_eq(config.server, c->server);
	if (c->connect_to == NULL)
		ck_assert_ptr_null(config.connect_to);
	else
		ck_assert_str_eq(config.connect_to, c->connect_to);
	ck_assert_str_eq(config.namespace, "default");
	ck_assert_str_eq(config.origin, "/etc/x/config");
}
END_TEST

static const struct secret_case {
	const char *cluster, *user;
	size_t offset; /* of the secret in struct kube_config */
	const char *path, *data;
} secrets[] = {
	{ "certificate-authority: ca.crt", "", offsetof(struct kube_config, authority), "/etc/x/ca.crt", NULL },
	{ "certificate-authority: /ca.crt", "", offsetof(struct kube_config, authority), "/ca.crt", NULL },
	{ "certificate-authority-data: cGVt", "", offsetof(struct kube_config, authority), NULL, "pem" },
	{ "certificate-authority-data: cGVt, certificate-authority: x", "", offsetof(struct kube_config, authority),
	  NULL, "pem" },
	{ "certificate-authority-data: \"cG\\nVt\\n\"", "", offsetof(struct kube_config, authority), NULL, "pem" },
	{ "", "token: abc.def", offsetof(struct kube_config, token), NULL, "abc.def" },
	{ "", "tokenFile: t/token", offsetof(struct kube_config, token), "/etc/x/t/token", NULL },
	{ "", "token: abc, tokenFile: token", offsetof(struct kube_config, token), "/etc/x/token", NULL },
	{ "", "client-certificate: c, client-key: k", offsetof(struct kube_config, certificate), "/etc/x/c", NULL },
	{ "", "client-certificate-data: Yw==, client-key: k", offsetof(struct kube_config, key), "/etc/x/k", NULL },
	{ "", "client-certificate-data: Yw==, client-key-data: aw==", offsetof(struct kube_config, key), NULL, "k" },
	{ "", "token: null", offsetof(struct kube_config, token), NULL, NULL },
	{ "", "token: ''", offsetof(struct kube_config, token), NULL, NULL },
};

static void expect_text(const char *text, const char *want)
{
	if (want == NULL)
		ck_assert_ptr_null(text);
	else
		ck_assert_str_eq(text, want);
}

START_TEST(secret)
{
	const struct secret_case *c = &secrets[_i];
	char cluster[256];
	const struct kube_secret *got;

	snprintf(cluster, sizeof(cluster), "server: 'https://x', %s", c->cluster);
	ck_assert_msg(parse(cluster, c->user) == 0, "%s", why.text);
	got = (const struct kube_secret *)(const void *)((const char *)&config + c->offset);
	expect_text(got->path, c->path);
	expect_text(got->data, c->data);
	ck_assert_uint_eq(got->len, c->data == NULL ? 0 : strlen(c->data));
}
END_TEST

static const struct refused_case {
	const char *cluster, *user, *text;
} refused[] = {
	{ "", "exec: {command: aws}", "user 'u': exec: programs are not run" },
	{ "", "auth-provider: {name: gcp}", "user 'u': auth-provider: is gone" },
	{ "", "username: a, password: b", "user 'u': username: basic" },
	{ "", "as: root", "user 'u': as: impersonation" },
	{ "", "as-groups: [x]", "user 'u': as-groups: impersonation" },
	{ "", "client-certificate: c", "a client certificate needs its key" },
	{ "", "client-key-data: aw==", "a key its certificate" },
	{ "", "client-key-data: '!', client-certificate: c", "client-key-data is not base64" },
	{ "", "token: \"a\\nb\"", "the token is none" },
	{ "certificate-authority-data: '?'", "", "certificate-authority-data is not base64" },
	{ "certificate-authority-data: Y", "", "certificate-authority-data is not base64" },
	{ "insecure-skip-tls-verify: true, certificate-authority: x", "", "exclude each other" },
	{ "insecure-skip-tls-verify: maybe", "", "neither true nor false" },
	{ "proxy-url: 'a b'", "", "proxy-url is no URL" },
};

START_TEST(refuse)
{
	char cluster[256];

	snprintf(cluster, sizeof(cluster), "server: 'https://x', %s", refused[_i].cluster);
	ck_assert_int_eq(parse(cluster, refused[_i].user), -EINVAL);
	ck_assert_msg(strstr(why.text, refused[_i].text) != NULL, "%s", why.text);
	ck_assert_ptr_nonnull(strstr(why.text, "/etc/x/config"));
}
END_TEST

/* A token does not go where anybody can read it. */
START_TEST(no_credentials_in_the_clear)
{
	ck_assert_int_eq(parse("server: 'http://10.0.0.1:80'", "token: abc"), -EINVAL);
	ck_assert_ptr_nonnull(strstr(why.text, "not https"));
}
END_TEST

static const struct {
	const char *text, *error;
} broken[] = {
	{ "", "nothing in it" },
	{ "a: [", "/etc/x/config:" },
	{ "[]", "current-context is not set" },
	{ "x", "current-context is not set" },
	{ "current-context: c", "no context 'c'" },
	{ "current-context: c\ncontexts: x", "no context 'c'" },
	{ "current-context: c\ncontexts: [{name: c}]", "context 'c' has no cluster" },
	{ "current-context: c\ncontexts: [{name: c, context: {cluster: k}}]", "no cluster 'k'" },
	{ "current-context: c\ncontexts: [{name: c, context: {cluster: k}}]\nclusters: [{name: k}]",
	  "cluster 'k' has no server" },
	{ "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\nclusters: [{name: k, cluster: "
	  "{server: 'https://x'}}]",
	  "no user 'u'" },
	{ "&a [*a, *a]", "current-context is not set" },
};

START_TEST(broken_files)
{
	ck_assert_int_eq(
		kube_config_parse(broken[_i].text, strlen(broken[_i].text), "/etc/x/config", NULL, &config, &why),
		-EINVAL);
	ck_assert_msg(strstr(why.text, broken[_i].error) != NULL, "%s", why.text);
}
END_TEST

/* kubectl writes JSON when asked; and the context may be another than the current one. */
START_TEST(json_and_contexts)
{
	static const char text[] =
		"{\"kind\":\"Config\",\"apiVersion\":\"v1\",\"current-context\":\"a\",\"contexts\":["
		"{\"name\":\"a\",\"context\":{\"cluster\":\"k\",\"user\":\"\",\"namespace\":\"ns-a\"}},"
		"{\"name\":\"b\",\"context\":{\"cluster\":\"k\",\"namespace\":\"ns-b\"}}],"
		"\"clusters\":[{\"name\":\"k\",\"cluster\":{\"server\":\"https:\\/\\/"
		"x\",\"insecure-skip-tls-verify\":true,"
		"\"proxy-url\":\"socks5://p:1080\"}}],\"users\":[]}";

	ck_assert_int_eq(kube_config_parse(text, strlen(text), "f", NULL, &config, &why), 0);
	ck_assert_str_eq(config.namespace, "ns-a");
	ck_assert(config.insecure);
	ck_assert_str_eq(config.proxy, "socks5://p:1080");
	kube_config_free(&config);
	ck_assert_int_eq(kube_config_parse(text, strlen(text), "f", "b", &config, &why), 0);
	ck_assert_str_eq(config.namespace, "ns-b");
}
END_TEST

/* KUBECONFIG: the first file that says it, for each thing; paths are beside their own file. */
START_TEST(merge)
{
	char list[1024];

	mkdir(path_of("sub"), 0700);
	write_file("one", "current-context: c\nclusters: [{name: k, cluster: {server: 'https://first', "
			  "certificate-authority: ca}}]\n");
	write_file("sub/two", "current-context: other\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n"
			      "clusters: [{name: k, cluster: {server: 'https://second'}}]\nusers: [{name: u, user: "
			      "{tokenFile: token}}]\n");
	write_file("ca", "pem\n");
	write_file("sub/token", "  secret \n");
	snprintf(list, sizeof(list), "%s/missing:%s/one::%s/sub/two", dir, dir, dir);
	setenv("KUBECONFIG", list, 1);
	ck_assert_msg(kube_config_load(NULL, NULL, &config, &why) == 0, "%s", why.text);
	ck_assert_str_eq(config.server, "https://first:443");
	ck_assert_str_eq(config.authority.data, "pem");
	ck_assert_str_eq(config.token.data, "  secret");
	setenv("POD_NAMESPACE", "mine", 1);
	setenv("DISABLE_HTTP2", "true", 1);
	kube_config_free(&config);
	ck_assert_int_eq(kube_config_load(NULL, NULL, &config, &why), 0);
	ck_assert_str_eq(config.namespace, "mine");
	ck_assert(config.http1);
}
END_TEST

START_TEST(missing_files)
{
	ck_assert_int_eq(kube_config_load(NULL, NULL, &config, &why), -ENOENT);
	ck_assert_ptr_nonnull(strstr(why.text, "no API server is configured"));
	ck_assert_int_eq(kube_config_load("/nonexistent/x", NULL, &config, &why), -ENOENT);
	ck_assert_ptr_nonnull(strstr(why.text, "/nonexistent/x: No such file"));
	ck_assert_int_eq(kube_config_load(dir, NULL, &config, &why), -EINVAL);
	/* What the file names is looked for at the start. */
	write_file(
		"f",
		"current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n"
		"clusters: [{name: k, cluster: {server: 'https://x'}}]\nusers: [{name: u, user: {tokenFile: gone}}]\n");
	ck_assert_int_eq(kube_config_load(path_of("f"), NULL, &config, &why), -EINVAL);
	ck_assert_ptr_nonnull(strstr(why.text, "/gone: No such file"));
}
END_TEST

START_TEST(too_large)
{
	FILE *file = fopen(path_of("large"), "w");

	for (int i = 0; i <= 1024; i++)
		ck_assert_int_eq(fprintf(file, "#%01022d\n", 0), 1024);
	fclose(file);
	ck_assert_int_eq(kube_config_load(path_of("large"), NULL, &config, &why), -EMSGSIZE);
}
END_TEST

START_TEST(in_cluster)
{
	write_file("token", "tok\n");
	write_file("ca.crt", "pem\n");
	unlink(path_of("namespace"));
	ck_assert_int_eq(kube_config_in_cluster("10.96.0.1", "443", dir, &config, &why), 0);
	ck_assert_str_eq(config.server, "https://10.96.0.1:443");
	ck_assert_str_eq(config.namespace, "default");
	ck_assert_str_eq(config.token.data, "tok");
	kube_config_free(&config);
	write_file("namespace", "system");
	ck_assert_int_eq(kube_config_in_cluster("fd00::1", "6443", dir, &config, &why), 0);
	ck_assert_str_eq(config.server, "https://[fd00::1]:6443");
	ck_assert_str_eq(config.namespace, "system");
	kube_config_free(&config);
	unlink(path_of("token"));
	ck_assert_int_eq(kube_config_in_cluster("10.96.0.1", "443", dir, &config, &why), -EINVAL);
	ck_assert_ptr_nonnull(strstr(why.text, "token: No such file"));
}
END_TEST

/* kubelet swaps a link; a file that cannot be read, or is empty, leaves what was there. */
START_TEST(rotation)
{
	struct kube_secret s = { .path = strdup(path_of("rotated")) };
	struct instant now = { 1000000 };

	write_file("rotated.1", "one\n");
	write_file("rotated.2", "two");
	ck_assert_int_eq(symlink("rotated.1", path_of("rotated")), 0);
	ck_assert_int_eq(kube_secret_refresh(&s, now, span_s(60)), 0);
	ck_assert_str_eq(s.data, "one");
	unlink(path_of("rotated"));
	ck_assert_int_eq(symlink("rotated.2", path_of("rotated")), 0);
	now = instant_add(now, span_s(59));
	ck_assert_int_eq(kube_secret_refresh(&s, now, span_s(60)), 0);
	ck_assert_str_eq(s.data, "one");
	now = instant_add(now, span_s(1));
	ck_assert_int_eq(kube_secret_refresh(&s, now, span_s(60)), 0);
	ck_assert_str_eq(s.data, "two");
	write_file("rotated.2", "three\n");
	s.doubted = true;
	ck_assert_int_eq(kube_secret_refresh(&s, now, span_s(60)), 0);
	ck_assert_str_eq(s.data, "three");
	write_file("rotated.2", "\n");
	s.doubted = true;
	ck_assert_int_eq(kube_secret_refresh(&s, now, span_s(60)), -ENODATA);
	unlink(path_of("rotated"));
	s.doubted = true;
	ck_assert_int_eq(kube_secret_refresh(&s, now, span_s(60)), -ENOENT);
	ck_assert_str_eq(s.data, "three");
	kube_secret_free(&s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kube_config");
	TCase *tcase = tcase_create("kube_config");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_unchecked_fixture(tcase, make_dir, remove_dir);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, server, 0, ARRAY_LEN(servers));
	tcase_add_loop_test(tcase, secret, 0, ARRAY_LEN(secrets));
	tcase_add_loop_test(tcase, refuse, 0, ARRAY_LEN(refused));
	tcase_add_test(tcase, no_credentials_in_the_clear);
	tcase_add_loop_test(tcase, broken_files, 0, ARRAY_LEN(broken));
	tcase_add_test(tcase, json_and_contexts);
	tcase_add_test(tcase, merge);
	tcase_add_test(tcase, missing_files);
	tcase_add_test(tcase, too_large);
	tcase_add_test(tcase, in_cluster);
	tcase_add_test(tcase, rotation);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
