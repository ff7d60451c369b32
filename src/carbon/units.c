#include "carbon/units.h"

#include "base/base.h"

#include <ctype.h>
#include <string.h>

typedef struct unit {
    const char *name;
    double factor;
} unit;

/* In g, and one over kWh. Only what is known counts: a unit that is guessed is off by thousands. */
static const unit masses[] = {{"g", 1},
                              {"gram", 1},
                              {"grams", 1},
                              {"grammes", 1},
                              {"kg", 1e3},
                              {"kilogram", 1e3},
                              {"kilograms", 1e3},
                              {"mg", 1e-3},
                              {"t", 1e6},
                              {"ton", 1e6},
                              {"tons", 1e6},
                              {"tonne", 1e6},
                              {"tonnes", 1e6},
                              {"lb", 453.59237},
                              {"lbs", 453.59237},
                              {"pound", 453.59237},
                              {"pounds", 453.59237}};
static const unit energies[] = {{"kwh", 1},  {"mwh", 1e-3}, {"gwh", 1e-6}, {"twh", 1e-9},
                                {"wh", 1e3}, {"mj", 3.6},   {"gj", 3.6e-3}};

static double factor_of(const unit *units, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(units[i].name, name) == 0) return units[i].factor;
    return 0;
}

static double energy_of(const char *word) {
    return factor_of(energies, JMI_COUNT(energies), word);
}

enum { WORDS = 16, WORD = 24 };

/* The words of a name in lower case; "/" and "per" become the word "/". What is not ASCII (the
 * small 2 of CO2) is left out. */
static size_t split(const char *name, char words[WORDS][WORD]) {
    size_t count = 0, length = 0;
    for (const char *at = name;; at++) {
        unsigned char c = (unsigned char)*at;
        bool in = c < 0x80 && isalnum(c);
        if (in && count < WORDS && length + 1 < WORD) words[count][length++] = (char)tolower(c);
        if (in || c >= 0x80) continue;
        if (length > 0) {
            words[count][length] = '\0';
            if (strcmp(words[count], "per") == 0) strcpy(words[count], "/");
            count++;
        }
        length = 0;
        if (c == '/' && count < WORDS) strcpy(words[count++], "/");
        if (c == '\0' || count >= WORDS) return count;
    }
}

/* Of "t", "tCO2", "kgCO2e"; 0: the word is no mass. */
static double mass_in(const char *word) {
    const char *co2 = strstr(word, "co");
    char mass[WORD];
    size_t length = co2 != NULL ? (size_t)(co2 - word) : strlen(word);
    memcpy(mass, word, length);
    mass[length] = '\0';
    return factor_of(masses, JMI_COUNT(masses), mass);
}

/* Of "g CO2", "gCO2eq", "kg CO2e", whose last word is `at`; its first word goes into *first. */
static double mass_of(char words[WORDS][WORD], size_t at, size_t *first) {
    const char *co2 = strstr(words[at], "co");
    bool beside = co2 == words[at] || (co2 == NULL && strncmp(words[at], "eq", 2) == 0);
    *first = at;
    if (beside) return at > 0 ? mass_of(words, at - 1, first) : 0;
    return mass_in(words[at]);
}

/* Where nothing is divided: "gCO2_kWh" is an intensity, "intensity (g)" is meant to be one of a
 * kWh; another mass, an energy, a power or money is something else. */
static double undivided(char words[WORDS][WORD], size_t count, bool intensity) {
    static const unit others[] = {{"w", 1},      {"kw", 1},  {"mw", 1},  {"gw", 1},  {"eur", 1},
                                  {"euro", 1},   {"usd", 1}, {"gbp", 1}, {"chf", 1}, {"cent", 1},
                                  {"dollar", 1}, {"j", 1},   {"kj", 1},  {"%", 1}};
    double mass = 0;
    for (size_t i = 0; i < count; i++) {
        if (mass > 0 && energy_of(words[i]) > 0) return mass * energy_of(words[i]);
        if (energy_of(words[i]) > 0 || factor_of(others, JMI_COUNT(others), words[i]) > 0) return 0;
        if (mass > 0 && !intensity && strncmp(words[i], "co", 2) != 0 &&
            strncmp(words[i], "eq", 2) != 0)
            return 0;
        if (mass_in(words[i]) > 0) mass = mass_in(words[i]);
    }
    return mass == 0 || (intensity && mass == 1) ? 1 : 0;
}

double jmi_unit_in_name(const char *name) {
    char words[WORDS][WORD];
    size_t count = split(name, words), first;
    bool intensity = false;
    if (strpbrk(name, "%$") != NULL || strstr(name, "\xE2\x82\xAC") != NULL ||
        strstr(name, "\xC2\xA3") != NULL) /* euros and pounds */
        return 0;
    for (size_t i = 0; i < count; i++)
        intensity = intensity || strstr(words[i], "intensity") != NULL;
    for (size_t i = 1; i + 1 < count; i++) {
        if (strcmp(words[i], "/") != 0) continue;
        return mass_of(words, i - 1, &first) * energy_of(words[i + 1]);
    }
    if (count > 0 && strcmp(words[count - 1], "/") == 0) return 0;
    return undivided(words, count, intensity);
}

double jmi_unit_of_text(const char *text) {
    char words[WORDS][WORD];
    size_t count = split(text, words), first;
    if (count == 0) return text[strspn(text, " ")] == '\0' ? 1 : 0;
    bool over = count >= 3 && strcmp(words[count - 2], "/") == 0;
    double mass = mass_of(words, over ? count - 3 : count - 1, &first);
    return first > 0 ? 0 : over ? mass * energy_of(words[count - 1]) : mass;
}
