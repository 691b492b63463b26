/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/kube_snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HASH_LEN 16
#define WORD_MAX 4096 /* of one line: interfaces of a place, Services of a unit */

/* --- to text --------------------------------------------------------------------------------------------------------------------- */

static void hash_text_of(const char *text, size_t len, char hex[33])
{
	unsigned char hash[HASH_LEN];

	crypto_generichash(hash, sizeof(hash), (const unsigned char *)text, len, NULL, 0);
	sodium_bin2hex(hex, 33, hash, sizeof(hash));
}

static void write_lists(FILE *file, const struct kube_plan *plan)
{
	for (size_t i = 0; i < plan->list_n; i++) {
		const struct kube_places *places = plan->lists[i];

		fputs("list\n", file);
		for (size_t j = 0; j < places->n; j++) {
			fprintf(file, "place %s %u", places->items[j].node, places->items[j].score);
			for (size_t k = 0; k < places->items[j].interface_n; k++)
				fprintf(file, " %s", places->items[j].interfaces[k]);
			fputc('\n', file);
		}
	}
}

static void write_units(FILE *file, const struct kube_plan *plan)
{
	char text[IP_TEXT_MAX];

	for (size_t i = 0; i < plan->unit_n; i++) {
		const struct kube_unit *unit = &plan->units[i];

		fprintf(file, "unit %zu %s", unit->places->index, unit->name);
		for (size_t j = 0; j < unit->ip_n; j++)
			fprintf(file, "%c%s", j == 0 ? ' ' : ',', ip_format(unit->ips[j], text));
		for (size_t j = 1; j < unit->service_n; j++)
			fprintf(file, " %s", unit->services[j]);
		fputc('\n', file);
	}
}

char *snapshot_text(const struct kube_plan *plan, size_t *ret_len)
{
	char address[IP_TEXT_MAX], hex[33];
	char *text = NULL;
	size_t len = 0;
	FILE *file = open_memstream(&text, &len);
	bool failed;

	if (file == NULL)
		return NULL;
	fputs("mlbd-plan 1\n", file);
	for (size_t i = 0; i < plan->peer_n; i++)
		fprintf(file, "peer %s\n", ip_format(plan->peers[i], address));
	write_lists(file, plan);
	write_units(file, plan);
	if (fflush(file) == 0) {
		hash_text_of(text, len, hex);
		fprintf(file, "end %s\n", hex);
	}
	failed = ferror(file) != 0;
	if (fclose(file) != 0 || failed) {
		free(text);
		return NULL;
	}
	*ret_len = len;
	return text;
}

/* --- from text -------------------------------------------------------------------------------------------------------------------- */

struct list {
	struct election_place *places;
	size_t n;
};

/* While it is read. Everything was counted before, so that arrays have their size. */
struct reading {
	struct snapshot *s;
	enum claim_mode mode;
	struct list *lists;
	size_t list_n;
	struct election_place *places;
	size_t place_n;
	char *words[WORD_MAX];
	size_t word_n;
};

/* Take the line apart. False: too many words. */
static bool split(struct reading *r, char *line)
{
	char *rest = line;

	r->word_n = 0;
	for (char *word = strsep(&rest, " "); word != NULL; word = strsep(&rest, " ")) {
		if (r->word_n == WORD_MAX || word[0] == '\0')
			return false;
		r->words[r->word_n++] = word;
	}
	return true;
}

static int read_number(const char *text, unsigned long max, unsigned long *ret)
{
	char *end;

	errno = 0;
	*ret = strtoul(text, &end, 10);
	return text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || *ret > max ? -EBADMSG : 0;
}

static int read_peer(struct reading *r)
{
	return r->word_n == 2 ? ip_parse(r->words[1], &r->s->peers[r->s->peer_n++]) == 0 ? 0 : -EBADMSG : -EBADMSG;
}

static int read_list(struct reading *r)
{
	if (r->word_n != 1)
		return -EBADMSG;
	r->lists[r->list_n++] = (struct list){ &r->places[r->place_n], 0 };
	return 0;
}

/* The words from `first` on, as an array that stays. NULL: no memory. */
static const char *const *keep_words(struct reading *r, size_t first)
{
	const char **names = arena_take(&r->s->arena, r->word_n - first, sizeof(*names));

	for (size_t i = first; names != NULL && i < r->word_n; i++)
		names[i - first] = r->words[i];
	return names;
}

static int read_place(struct reading *r)
{
	struct election_place *place = &r->places[r->place_n];
	struct list *list = r->list_n > 0 ? &r->lists[r->list_n - 1] : NULL;
	unsigned long score;

	if (r->word_n < 3 || list == NULL || strlen(r->words[1]) > NODE_NAME_MAX ||
	    read_number(r->words[2], UINT32_MAX, &score) != 0 ||
	    (list->n > 0 && strcmp(place[-1].node, r->words[1]) >= 0)) /* the election looks it up by halves */
		return -EBADMSG;
	for (size_t i = 3; i < r->word_n; i++) {
		if (strlen(r->words[i]) > IFACE_NAME_MAX)
			return -EBADMSG;
	}
	*place = (struct election_place){ .node = r->words[1], .score = (unsigned int)score };
	place->interface_n = r->word_n - 3;
	place->interfaces = keep_words(r, 3);
	r->place_n++;
	list->n++;
	return place->interfaces == NULL ? -ENOMEM : 0;
}

static int read_ips(struct reading *r, char *text, struct election_service *service)
{
	struct ip *ips = arena_take(&r->s->arena, ALLOC_ADDRESS_MAX, sizeof(*ips));

	if (ips == NULL)
		return -ENOMEM;
	for (char *word = strsep(&text, ","); word != NULL; word = strsep(&text, ",")) {
		if (service->address_n == ALLOC_ADDRESS_MAX || ip_parse(word, &ips[service->address_n]) != 0)
			return -EBADMSG;
		service->address_n++;
	}
	service->addresses = ips;
	return 0;
}

static int read_unit(struct reading *r)
{
	size_t at = r->s->service_n;
	struct election_service *service = &r->s->services[at];
	unsigned long list;
	int error;

	if (r->word_n < 4 || r->list_n == 0 || read_number(r->words[1], r->list_n - 1, &list) != 0 ||
	    strlen(r->words[2]) > SERVICE_NAME_MAX || (at > 0 && strcmp(service[-1].name, r->words[2]) >= 0))
		return -EBADMSG;
	*service = (struct election_service){ .name = r->words[2], .mode = r->mode, .placed = true };
	service->places = r->lists[list].places;
	service->place_n = r->lists[list].n;
	error = read_ips(r, r->words[3], service);
	if (error != 0)
		return error;
	r->words[3] = r->words[2]; /* its own name comes first */
	r->s->units[at].services = keep_words(r, 3);
	r->s->units[at].service_n = r->word_n - 3;
	r->s->service_n++;
	return r->s->units[at].services == NULL ? -ENOMEM : 0;
}

static int read_line(struct reading *r, char *line)
{
	static const struct {
		const char *word;
		int (*read)(struct reading *r);
	} kinds[] = { { "peer", read_peer }, { "list", read_list }, { "place", read_place }, { "unit", read_unit } };

	if (!split(r, line))
		return -EBADMSG;
	for (size_t i = 0; r->word_n > 0 && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(r->words[0], kinds[i].word) == 0)
			return kinds[i].read(r);
	}
	return -EBADMSG;
}

static size_t count_lines(const char *text, const char *start)
{
	size_t len = strlen(start), n = 0;

	for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
		line += line != text;
		n += strncmp(line, start, len) == 0;
	}
	return n;
}

static bool reserve(struct reading *r)
{
	struct snapshot *s = r->s;
	size_t units = count_lines(s->text, "unit ");

	s->peers = arena_take(&s->arena, count_lines(s->text, "peer "), sizeof(*s->peers));
	r->lists = arena_take(&s->arena, count_lines(s->text, "list"), sizeof(*r->lists));
	r->places = arena_take(&s->arena, count_lines(s->text, "place "), sizeof(*r->places));
	s->services = arena_take(&s->arena, units, sizeof(*s->services));
	s->units = arena_take(&s->arena, units, sizeof(*s->units));
	return s->peers != NULL && r->lists != NULL && r->places != NULL && s->services != NULL && s->units != NULL;
}

/* The last line's hash is that of all before? Then it is cut off. */
static bool check_whole(struct snapshot *s, size_t len)
{
	char *last;

	if (len == 0 || len > SNAPSHOT_LEN_MAX || strlen(s->text) != len || s->text[len - 1] != '\n')
		return false;
	s->text[len - 1] = '\0';
	last = strrchr(s->text, '\n');
	if (last == NULL || strncmp(last, "\nend ", 5) != 0)
		return false;
	hash_text_of(s->text, (size_t)(last + 1 - s->text), s->hash);
	if (strcmp(last + 5, s->hash) != 0)
		return false;
	*last = '\0';
	return true;
}

static int read_all(struct reading *r)
{
	char *rest = r->s->text;
	const char *first = strsep(&rest, "\n");
	int error = 0;

	if (first == NULL || strcmp(first, "mlbd-plan 1") != 0)
		return -EBADMSG;
	for (char *line = strsep(&rest, "\n"); line != NULL && error == 0; line = strsep(&rest, "\n"))
		error = read_line(r, line);
	return error;
}

int snapshot_parse(char *text, size_t len, enum claim_mode mode, struct snapshot **ret)
{
	struct snapshot *s = calloc(1, sizeof(*s));
	struct reading *r = calloc(1, sizeof(*r));
	int error = s == NULL || r == NULL ? -ENOMEM : 0;

	if (error != 0) {
		free(s);
		free(text);
		free(r);
		return error;
	}
	s->text = text;
	arena_init(&s->arena);
	*r = (struct reading){ .s = s, .mode = mode };
	if (!check_whole(s, len) || count_lines(s->text, "unit ") > SERVICE_MAX)
		error = -EBADMSG;
	else if (!reserve(r))
		error = -ENOMEM;
	if (error == 0)
		error = read_all(r);
	free(r);
	if (error != 0)
		snapshot_free(s);
	else
		*ret = s;
	return error;
}

void snapshot_free(struct snapshot *snapshot)
{
	if (snapshot == NULL)
		return;
	arena_free(&snapshot->arena);
	free(snapshot->text);
	free(snapshot);
}

static int compare_name(const void *name, const void *service)
{
	return strcmp(name, ((const struct election_service *)service)->name);
}

size_t snapshot_find(const struct snapshot *snapshot, const char *name)
{
	const struct election_service *found = snapshot == NULL || snapshot->service_n == 0
						       ? NULL
						       : bsearch(name, snapshot->services, snapshot->service_n,
								 sizeof(*snapshot->services), compare_name);

	return found == NULL ? SIZE_MAX : (size_t)(found - snapshot->services);
}

/* --- on disk ----------------------------------------------------------------------------------------------------------------------- */

static int write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

int snapshot_save(const char *path, const char *text, size_t len)
{
	char *beside;
	int fd, error;

	if (asprintf(&beside, "%s.new", path) < 0)
		return -ENOMEM;
	fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	error = fd < 0 ? -errno : write_all(fd, text, len);
	if (fd >= 0 && close(fd) != 0 && error == 0)
		error = -errno;
	if (error == 0 && rename(beside, path) != 0)
		error = -errno;
	if (error != 0 && fd >= 0)
		(void)unlink(beside);
	free(beside);
	return error;
}

int snapshot_load(const char *path, char **ret, size_t *ret_len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat info;
	char *text = NULL;
	ssize_t n;
	int error = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &info) != 0)
		error = -errno;
	else if (!S_ISREG(info.st_mode) || info.st_size > SNAPSHOT_LEN_MAX)
		error = -EBADMSG;
	else if ((text = malloc((size_t)info.st_size + 1)) == NULL)
		error = -ENOMEM;
	n = text != NULL ? read(fd, text, (size_t)info.st_size) : 0;
	if (text != NULL && n != info.st_size)
		error = n < 0 ? -errno : -EBADMSG;
	close(fd);
	if (error != 0 || text == NULL) {
		free(text);
		return error;
	}
	text[n] = '\0';
	*ret = text;
	*ret_len = (size_t)n;
	return 0;
}
