#include "report/flags.h"

const char *jmi_energy_flags_text(uint32_t flags, char *text, size_t size) {
    static const struct {
        uint32_t bit;
        const char *name;
    } names[] = {{JM_ENERGY_CONFLICT, "conflict"},
                 {JM_ENERGY_PARTIAL, "partial"},
                 {JM_ENERGY_LOCKED, "locked"},
                 {JM_ENERGY_ACTIVITY, "activity"},
                 {JM_ENERGY_RESET, "reset"}};
    size_t length = 0;
    text[0] = '\0';
    for (size_t i = 0; i < JMI_COUNT(names); i++)
        if ((flags & names[i].bit) != 0 && length < size)
            length += (size_t)snprintf(text + length, size - length, "%s%s", length > 0 ? " " : "",
                                       names[i].name);
    return text;
}
