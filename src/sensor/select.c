/* Which GPUs are measured. NVML lists boards in PCI order, CUDA by default the fastest first:
 * indices of the two are never mixed up silently. */
#include "sensor/internal.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { TOKEN = 128 };

/* Copies the next of a comma-separated list, blanks around it removed; false at the end. */
static bool next_token(const char **list, char token[TOKEN]) {
    if (*list == NULL) return false;
    const char *begin = *list;
    const char *end = strchr(begin, ',');
    *list = end != NULL ? end + 1 : NULL;
    if (end == NULL) end = begin + strlen(begin);
    while (begin < end && isspace((unsigned char)*begin)) begin++;
    while (end > begin && isspace((unsigned char)end[-1])) end--;
    size_t length = (size_t)(end - begin);
    if (length >= TOKEN) length = TOKEN - 1;
    memcpy(token, begin, length);
    token[length] = '\0';
    return true;
}

static bool begins(const char *text, const char *prefix) {
    return strncasecmp(text, prefix, strlen(prefix)) == 0;
}

/* Whether one of the blank-separated texts begins with `prefix`. */
static bool any_begins(const char *texts, const char *prefix) {
    while (*texts != '\0') {
        if (begins(texts, prefix)) return true;
        texts += strcspn(texts, " ");
        texts += strspn(texts, " ");
    }
    return false;
}

/* "MIG-GPU-<uuid>/1/0", as drivers before 470 name an instance, begins with its board's UUID. */
static bool is_old_mig(const char *uuid, const char *token) {
    size_t length = strlen(uuid);
    return length > 0 && begins(token, "MIG-") && begins(token + 4, uuid) &&
           (token[4 + length] == '/' || token[4 + length] == '\0');
}

enum { NONE = -1, SEVERAL = -2 };

/* The GPU that a UUID, a MIG instance, a unique prefix of them or a PCI address names. */
static int find_by_text(const jmi_gpu *gpus, size_t count, const char *token) {
    int found = NONE;
    for (size_t i = 0; i < count; i++) {
        bool whole = strcasecmp(gpus[i].uuid, token) == 0 || strcasecmp(gpus[i].pci, token) == 0 ||
                     is_old_mig(gpus[i].uuid, token);
        if (whole) return (int)i;
        if (!begins(gpus[i].uuid, token) && !any_begins(gpus[i].mig, token)) continue;
        found = found == NONE ? (int)i : SEVERAL;
    }
    return found;
}

static bool all_digits(const char *text) {
    return text[0] != '\0' && text[strspn(text, "0123456789")] == '\0';
}

/* ---- by the user ---- */

static void list_gpus(const jmi_gpu *gpus, size_t count, char *text, size_t size) {
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < count && used < size; i++) {
        int more =
            snprintf(text + used, size - used, "%s%u (%s%s%s)", i > 0 ? ", " : "", gpus[i].index,
                     gpus[i].model, gpus[i].uuid[0] != '\0' ? ", " : "", gpus[i].uuid);
        if (more < 0 || (size_t)more >= size - used) {
            snprintf(text + used, size - used, "%s", used + 5 < size ? ", ..." : "");
            return;
        }
        used += (size_t)more;
    }
}

static int no_such_gpu(const jmi_gpu *gpus, size_t count, const char *token, int found,
                       jm_error *error) {
    char there[300];
    list_gpus(gpus, count, there, sizeof there);
    if (count == 0)
        return jmi_fail(error, JM_NOT_FOUND, "there is no GPU '%s': this machine shows no GPU",
                        token);
    if (found == SEVERAL)
        return jmi_fail(error, JM_INVALID,
                        "'%s' is the beginning of several GPUs' UUIDs; there are: %s", token,
                        there);
    return jmi_fail(error, JM_NOT_FOUND, "there is no GPU '%s'; there are: %s", token, there);
}

static int select_token(jmi_gpu *gpus, size_t count, const char *token, jm_error *error) {
    int found = NONE;
    uint64_t index;
    const char *digits = begins(token, "gpu") && all_digits(token + 3) ? token + 3 : token;
    if (all_digits(digits)) {
        if (jmi_parse_u64(digits, &index) && index < count) found = (int)index;
    } else if (begins(token, "GPU-") || begins(token, "MIG-") || strchr(token, ':') != NULL) {
        found = find_by_text(gpus, count, token);
    } else {
        return jmi_fail(error, JM_INVALID,
                        "'%s' names no GPU: give all, none, indices such as 0,2, or UUIDs", token);
    }
    if (found < 0) return no_such_gpu(gpus, count, token, found, error);
    gpus[found].selected = true;
    return JM_OK;
}

static int select_by_user(jmi_gpu *gpus, size_t count, const char *list, jm_error *error) {
    char token[TOKEN];
    while (next_token(&list, token)) {
        int status = select_token(gpus, count, token, error);
        if (status != JM_OK) return status;
    }
    return JM_OK;
}

/* ---- by CUDA_VISIBLE_DEVICES ---- */

static int nth_cuda(const jmi_gpu *gpus, size_t count, uint64_t n) {
    for (size_t i = 0; i < count; i++)
        if (gpus[i].cuda && n-- == 0) return (int)i;
    return NONE;
}

static bool several_models(const jmi_gpu *gpus, size_t count) {
    const char *model = NULL;
    for (size_t i = 0; i < count; i++) {
        if (!gpus[i].cuda) continue;
        if (model != NULL && strcmp(model, gpus[i].model) != 0) return true;
        model = gpus[i].model;
    }
    return false;
}

static int find_cuda(const jmi_gpu *gpus, size_t count, const char *token, bool *by_index) {
    uint64_t index;
    if (all_digits(token)) {
        *by_index = true;
        return jmi_parse_u64(token, &index) ? nth_cuda(gpus, count, index) : NONE;
    }
    if (!begins(token, "GPU-") && !begins(token, "MIG-")) return NONE;
    int found = find_by_text(gpus, count, token);
    return found >= 0 && gpus[found].cuda ? found : NONE;
}

static void select_by_cuda(jmi_gpu *gpus, size_t count, const jmi_selection *selection, char *note,
                           size_t note_size) {
    size_t cuda = 0, chosen = 0;
    for (size_t i = 0; i < count; i++) {
        gpus[i].selected = !gpus[i].cuda; /* the variable says nothing of other makers' GPUs */
        cuda += gpus[i].cuda;
    }
    bool by_index = false;
    char token[TOKEN], stopped[TOKEN] = "";
    for (const char *list = selection->cuda_visible; next_token(&list, token);) {
        int found = find_cuda(gpus, count, token, &by_index);
        if (found < 0) { /* CUDA sees what stands before the first invalid entry, no more */
            memcpy(stopped, token, sizeof stopped);
            break;
        }
        chosen += !gpus[found].selected;
        gpus[found].selected = true;
    }
    bool pci_order =
        selection->cuda_order != NULL && strcmp(selection->cuda_order, "PCI_BUS_ID") == 0;
    if (cuda == 0) return;
    if (by_index && !pci_order && chosen < cuda && several_models(gpus, count))
        snprintf(note, note_size,
                 "CUDA_VISIBLE_DEVICES=%.80s counts GPUs in CUDA's order, which is not known here "
                 "because their models differ; PCI order was assumed: set "
                 "CUDA_DEVICE_ORDER=PCI_BUS_ID or name GPUs by UUID to be sure",
                 selection->cuda_visible);
    else if (chosen == 0)
        snprintf(note, note_size, "CUDA_VISIBLE_DEVICES=%.80s hides every GPU, so none is measured",
                 selection->cuda_visible);
    else if (stopped[0] != '\0')
        snprintf(note, note_size,
                 "CUDA_VISIBLE_DEVICES=%.80s: '%.60s' is no GPU here, so CUDA (and joulemeter) "
                 "stop before it",
                 selection->cuda_visible, stopped);
}

int jmi_select_gpus(jmi_gpu *gpus, size_t count, const jmi_selection *selection, char *note,
                    size_t note_size, jm_error *error) {
    note[0] = '\0';
    bool by_user = selection->gpus != NULL && selection->gpus[0] != '\0';
    bool all = by_user ? strcasecmp(selection->gpus, "all") == 0 : selection->cuda_visible == NULL;
    for (size_t i = 0; i < count; i++) gpus[i].selected = all;
    if (all || (by_user && strcasecmp(selection->gpus, "none") == 0)) return JM_OK;
    if (by_user) return select_by_user(gpus, count, selection->gpus, error);
    select_by_cuda(gpus, count, selection, note, note_size);
    return JM_OK;
}
