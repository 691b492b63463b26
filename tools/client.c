/* SPDX-License-Identifier: Apache-2.0 */
#include <curl/curl.h>
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/client.h"

/* An answer at most: 10,000 addresses are 2 MB. */
#define ANSWER_MAX (64 * 1024 * 1024)

#define ERROR_MAX 8192

struct client {
	CURL *curl;	  /* owned */
	const char *path; /* borrowed */
	long timeout_ms;
	char *text; /* owned: the answer that is being read, with a terminator */
	size_t len;
	char error[ERROR_MAX];
	bool reconnected;
};

static size_t on_data(char *data, size_t size, size_t n, void *arg)
{
	struct client *client = arg;
	size_t len = size * n;
	char *grown;

	if (len > ANSWER_MAX - client->len)
		return 0; /* libcurl fails with CURLE_WRITE_ERROR */
	grown = realloc(client->text, client->len + len + 1);
	if (!grown)
		return 0;
	memcpy(grown + client->len, data, len);
	client->text = grown;
	client->len += len;
	grown[client->len] = '\0';
	return len;
}

struct client *client_new(const char *path, long timeout_ms)
{
	struct client *client = calloc(1, sizeof(*client));

	if (!client)
		return NULL;
	client->path = path;
	client->timeout_ms = timeout_ms;
	client->curl = curl_easy_init();
	if (!client->curl) {
		free(client);
		return NULL;
	}
	return client;
}

void client_free(struct client *client)
{
	if (!client)
		return;
	curl_easy_cleanup(client->curl);
	free(client->text);
	free(client);
}

static CURLcode options_set(struct client *client, const char *url_path, const char *body)
{
	CURL *curl = client->curl;
	char url[256];

	snprintf(url, sizeof(url), "http://mlbd%s", url_path);
	curl_easy_reset(curl); /* keeps the connection */
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* whatever http_proxy says */
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, client->timeout_ms);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, client);
	if (body) {
		curl_easy_setopt(curl, CURLOPT_POST, 1L);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
	}
	return curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, client->path);
}

/* EACCES: say who may. */
static void explain_permission(struct client *client)
{
	struct stat st;
	const struct group *group;

	if (stat(client->path, &st) < 0) {
		snprintf(client->error, sizeof(client->error),
			 "%s: permission denied; its folder is closed to you: try as root", client->path);
		return;
	}
	group = getgrgid(st.st_gid);
	snprintf(client->error, sizeof(client->error),
		 "%s: permission denied; it is open to root and to the group %s: join that group, or try as root",
		 client->path, group ? group->gr_name : "of the daemon");
}

static enum client_result explain(struct client *client, CURLcode code)
{
	long os_error = 0;

	curl_easy_getinfo(client->curl, CURLINFO_OS_ERRNO, &os_error);
	if (code == CURLE_COULDNT_CONNECT && os_error == EACCES)
		explain_permission(client);
	else if (code == CURLE_COULDNT_CONNECT)
		snprintf(client->error, sizeof(client->error), "no daemon at %s: %s; is mlbd running?", client->path,
			 os_error != 0 ? strerror((int)os_error) : curl_easy_strerror(code));
	else if (code == CURLE_OPERATION_TIMEDOUT)
		snprintf(client->error, sizeof(client->error), "mlbd at %s did not answer within %g s", client->path,
			 (double)client->timeout_ms / 1000);
	else
		snprintf(client->error, sizeof(client->error), "%s: %s", client->path, curl_easy_strerror(code));
	return code == CURLE_WRITE_ERROR ? CLIENT_REFUSED : CLIENT_NO_DAEMON;
}

/* Judge what came: a document with status 200, or the daemon's words. */
static enum client_result take_answer(struct client *client, struct client_answer *ret)
{
	cJSON *doc = client->text ? cJSON_ParseWithOpts(client->text, NULL, 1) : NULL;
	const char *words;
	long status = 0;

	curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
	if (doc && status == 200) {
		*ret = (struct client_answer){ .text = client->text, .doc = doc };
		client->text = NULL;
		return CLIENT_DONE;
	}
	words = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(doc, "error"));
	if (words)
		snprintf(client->error, sizeof(client->error), "%s", words);
	else
		snprintf(client->error, sizeof(client->error), "%s: status %ld and no answer that mlbd would give",
			 client->path, status);
	cJSON_Delete(doc);
	return CLIENT_REFUSED;
}

enum client_result client_request(struct client *client, const char *url_path, const char *body,
				  struct client_answer *ret)
{
	CURLcode code;
	long connects = 0;

	free(client->text);
	client->text = NULL;
	client->len = 0;
	code = options_set(client, url_path, body);
	if (code == CURLE_OK)
		code = curl_easy_perform(client->curl);
	if (code != CURLE_OK)
		return explain(client, code);
	curl_easy_getinfo(client->curl, CURLINFO_NUM_CONNECTS, &connects);
	client->reconnected = connects > 0;
	return take_answer(client, ret);
}

void client_answer_free(struct client_answer *answer)
{
	free(answer->text);
	cJSON_Delete(answer->doc);
	*answer = (struct client_answer){ 0 };
}

const char *client_error(const struct client *client)
{
	return client->error;
}

bool client_reconnected(const struct client *client)
{
	return client->reconnected;
}
