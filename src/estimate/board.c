/* Published limits of boards, from NVIDIA's data sheets: TDP, SMs, boost clock, bandwidth of
 * memory, NVLink and PCIe (both directions together). */
#include "estimate/board.h"

#include <ctype.h>
#include <string.h>

typedef struct entry {
    const char *name;
    const char *must; /* words that a name has which means it */
    const char *may;  /* words that it may have besides, and those of any board */
    uint32_t power_w, sms, cc, clock_mhz, dram_gb, nvlink_gb, pcie_gb;
} entry;

/* A name with any other word, such as "Ti", "Laptop" or another size of memory, is another board:
 * it is not known, rather than taken for its sibling. "sxm" stands for "sxm2" and so on, too. */
static const entry entries[] = {
    {"Tesla V100-SXM2", "v100 sxm", "16gb 32gb", 300, 80, 70, 1530, 900, 300, 32},
    {"Tesla V100-SXM3", "v100 sxm3", "32gb", 350, 80, 70, 1597, 981, 300, 32},
    {"Tesla V100-PCIE", "v100 pcie", "16gb 32gb", 250, 80, 70, 1380, 900, 0, 32},
    {"Tesla V100S-PCIE", "v100s", "pcie 32gb", 250, 80, 70, 1597, 1134, 0, 32},
    {"Quadro GV100", "gv100", "quadro 32gb", 250, 80, 70, 1627, 870, 200, 32},
    {"Tesla V100", "v100", "16gb 32gb", 300, 80, 70, 1530, 900, 300, 32},
    {"TITAN V", "titan v", "", 250, 80, 70, 1455, 653, 0, 32},
    {"Tesla P100-PCIE", "p100 pcie", "16gb", 250, 56, 60, 1329, 732, 0, 32},
    {"Tesla P100-PCIE-12GB", "p100 pcie 12gb", "", 250, 56, 60, 1329, 549, 0, 32},
    {"Tesla P100", "p100", "sxm 16gb", 300, 56, 60, 1480, 732, 160, 32},
    {"Tesla T4", "t4", "16gb", 70, 40, 75, 1590, 320, 0, 32},
    {"Quadro RTX 6000", "6000 quadro rtx", "", 260, 72, 75, 1770, 672, 100, 32},
    {"GeForce RTX 2080 Ti", "2080 ti", "", 250, 68, 75, 1545, 616, 100, 32},
    {"A100-SXM4-80GB", "a100 sxm 80gb", "", 400, 108, 80, 1410, 2039, 600, 64},
    {"A100-PCIE-80GB", "a100 pcie 80gb", "", 300, 108, 80, 1410, 1935, 600, 64},
    {"A100-PCIE-40GB", "a100 pcie", "40gb", 250, 108, 80, 1410, 1555, 600, 64},
    {"A100-SXM4-40GB", "a100", "sxm 40gb", 400, 108, 80, 1410, 1555, 600, 64},
    {"A30", "a30", "pcie 24gb", 165, 56, 80, 1440, 933, 200, 64},
    {"A40", "a40", "pcie 48gb", 300, 84, 86, 1740, 696, 112, 64},
    {"A10", "a10", "pcie 24gb", 150, 72, 86, 1695, 600, 0, 64},
    {"RTX A6000", "a6000", "48gb", 300, 84, 86, 1800, 768, 112, 64},
    {"GeForce RTX 3080", "3080", "", 320, 68, 86, 1710, 760, 0, 64},
    {"GeForce RTX 3080 Ti", "3080 ti", "", 350, 80, 86, 1665, 912, 0, 64},
    {"GeForce RTX 3090", "3090", "", 350, 82, 86, 1695, 936, 112, 64},
    {"GeForce RTX 3090 Ti", "3090 ti", "", 450, 84, 86, 1860, 1008, 112, 64},
    {"GeForce RTX 4080", "4080", "", 320, 76, 89, 2505, 717, 0, 64},
    {"GeForce RTX 4090", "4090", "", 450, 128, 89, 2520, 1008, 0, 64},
    {"RTX 6000 Ada", "6000 ada rtx", "generation", 300, 142, 89, 2505, 960, 0, 64},
    {"L4", "l4", "24gb", 72, 58, 89, 2040, 300, 0, 64},
    {"L40", "l40", "48gb", 300, 142, 89, 2490, 864, 0, 64},
    {"L40S", "l40s", "48gb", 350, 142, 89, 2520, 864, 0, 64},
    {"H100 PCIe", "h100 pcie", "80gb", 350, 114, 90, 1755, 2000, 600, 128},
    {"H100 NVL", "h100 nvl", "pcie 94gb", 400, 132, 90, 1785, 3938, 600, 128},
    {"H100 SXM", "h100", "sxm 80gb hbm3", 700, 132, 90, 1980, 3350, 900, 128},
    {"H200 NVL", "h200 nvl", "pcie 141gb", 600, 132, 90, 1785, 4800, 900, 128},
    {"H200", "h200", "sxm 141gb hbm3e", 700, 132, 90, 1980, 4800, 900, 128},
    {"GH200 144G", "gh200 144g", "hbm3e", 900, 132, 90, 1980, 4900, 900, 128},
    {"GH200", "gh200", "480gb 120gb 96gb hbm3", 900, 132, 90, 1980, 4000, 900, 128},
    {"GeForce RTX 5090", "5090", "", 575, 170, 120, 2407, 1792, 0, 128},
    {"B200", "b200", "sxm 180gb 192gb hbm3e", 1000, 148, 100, 1965, 8000, 1800, 128},
};

/* Words that tell no board from another. */
static const char any_board[] = "nvidia tesla geforce rtx gpu";

uint32_t jm_board_count(void) {
    return JMI_COUNT(entries);
}

static jm_board board_of(const entry *e) {
    return (jm_board){.size = sizeof(jm_board),
                      .name = e->name,
                      .power_limit_w = e->power_w,
                      .sms = e->sms,
                      .clock_hz = e->clock_mhz * 1e6,
                      .dram_bytes_s = e->dram_gb * 1e9,
                      .nvlink_bytes_s = e->nvlink_gb * 1e9,
                      .pcie_bytes_s = e->pcie_gb * 1e9,
                      .compute_capability = e->cc};
}

int jm_board_get(uint32_t index, jm_board *board) {
    if (board == NULL) return JM_INVALID;
    if (index >= JMI_COUNT(entries)) return JM_NOT_FOUND;
    jm_board ours = board_of(&entries[index]);
    return jmi_give_struct(board, &ours, sizeof ours);
}

/* Letters and digits of a name in lower case; what is between them is one space. */
static void simplify(const char *name, char *out, size_t size) {
    size_t length = 0;
    bool gap = false;
    for (; *name != '\0' && length + 3 < size; name++) {
        unsigned char c = (unsigned char)*name;
        if (!isalnum(c) || c > 127) {
            gap = length > 0;
            continue;
        }
        if (gap) out[length++] = ' ';
        gap = false;
        out[length++] = (char)tolower(c);
    }
    out[length] = '\0';
}

static const char *next_word(const char *words, size_t *length) {
    while (*words == ' ') words++;
    *length = strcspn(words, " ");
    return *length > 0 ? words : NULL;
}

static bool means(const char *word, size_t length, const char *text, size_t text_length) {
    if (length == text_length && strncmp(word, text, length) == 0) return true;
    return length == 3 && text_length == 4 && strncmp(word, "sxm", 3) == 0 &&
           strncmp(text, "sxm", 3) == 0 && text[3] >= '0' && text[3] <= '9';
}

/* Is a word of a name in the list? */
static bool is_in(const char *list, const char *text, size_t text_length) {
    size_t length;
    for (const char *word = list; (word = next_word(word, &length)) != NULL; word += length)
        if (means(word, length, text, text_length)) return true;
    return false;
}

static bool has(const char *name, const char *word, size_t length) {
    size_t text_length;
    for (const char *text = name; (text = next_word(text, &text_length)) != NULL;
         text += text_length)
        if (means(word, length, text, text_length)) return true;
    return false;
}

static bool has_all(const char *name, const char *words) {
    size_t length;
    for (const char *word = words; (word = next_word(word, &length)) != NULL; word += length)
        if (!has(name, word, length)) return false;
    return true;
}

/* All that a board must have is in the name, and nothing that it may not have. */
static bool fits(const char *name, const entry *e) {
    size_t length;
    if (!has_all(name, e->must)) return false;
    for (const char *word = name; (word = next_word(word, &length)) != NULL; word += length)
        if (!is_in(e->must, word, length) && !is_in(e->may, word, length) &&
            !is_in(any_board, word, length))
            return false;
    return true;
}

/* The entry that says most of what is in the name. */
bool jmi_board_named(const char *name, jm_board *board) {
    char text[256] = "";
    const entry *best = NULL;
    simplify(name, text, sizeof text);
    for (size_t i = 0; i < JMI_COUNT(entries); i++)
        if (fits(text, &entries[i]) &&
            (best == NULL || strlen(entries[i].must) > strlen(best->must)))
            best = &entries[i];
    if (best != NULL) *board = board_of(best);
    return best != NULL;
}

/* Another entry says less with the same first word: it stands for this one in a list. */
static bool is_variant(size_t index) {
    const char *must = entries[index].must;
    size_t length = strcspn(must, " ");
    for (size_t i = 0; i < JMI_COUNT(entries); i++)
        if (strlen(entries[i].must) < strlen(must) && strcspn(entries[i].must, " ") == length &&
            strncmp(entries[i].must, must, length) == 0)
            return true;
    return false;
}

/* Names of boards that share their first word with the name; if there is none, one of each. */
static void add_near(jmi_text *names, const char *name) {
    for (size_t all = 0; all < 2 && names->length == 0; all++)
        for (size_t i = 0; i < JMI_COUNT(entries); i++) {
            size_t length;
            const char *word = next_word(entries[i].must, &length);
            if (all == 0 ? !has(name, word, length) : is_variant(i)) continue;
            jmi_text_add(names, "%s%s", names->length > 0 ? ", " : "", entries[i].name);
        }
}

int jm_board_find(const char *name, jm_board *board, jm_error *error) {
    jm_board ours;
    char simple[256] = "";
    if (name == NULL || board == NULL)
        return jmi_fail(error, JM_INVALID, "there is no name of a board");
    if (jmi_board_named(name, &ours)) return jmi_give_struct(board, &ours, sizeof ours);
    jmi_text names = {0};
    simplify(name, simple, sizeof simple);
    add_near(&names, simple);
    int status = jmi_fail(error, JM_NOT_FOUND,
                          "the limits of a board '%.60s' are not known; there are: %.400s", name,
                          names.data != NULL ? names.data : "");
    jmi_text_free(&names);
    return status;
}
