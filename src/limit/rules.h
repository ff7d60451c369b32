/* What the administrator lets users of joulemeter-limitd do (docs/limits.md). */
#ifndef JMI_LIMIT_RULES_H
#define JMI_LIMIT_RULES_H

#include "limit/limit.h"

enum { JMI_RULES_GPUS = 64, JMI_RULES_BYTES = 65536 };

typedef struct jmi_gpu_rule {
    char key[64]; /* the GPU's UUID */
    bool allow;
    bool clock; /* locks on clocks, too: the driver does not tell of a lock, so that a
                   loan that ends frees clocks that somebody else has locked */
    uint32_t least[2], most[2]; /* by lever, in its steps; 0: as the board allows */
} jmi_gpu_rule;

typedef struct jmi_rules {
    char group[64]; /* whose members may ask; "": root alone */
    bool keep;      /* limits that stay may be set */
    jmi_gpu_rule all;
    jmi_gpu_rule gpus[JMI_RULES_GPUS];
    uint32_t gpu_count;
} jmi_rules;

/* A pure function of the text. JM_FORMAT: the error names the line. */
int jmi_rules_parse(jmi_rules *rules, const char *text, size_t length, jm_error *error);
/* The rule for a GPU. Never NULL. */
const jmi_gpu_rule *jmi_rules_of(const jmi_rules *rules, const char *key);

#endif
