/* The page as the build made it from web/, byte for byte in the library. */
#include "figure/page.h"

#ifdef JM_HAS_PAGE
#include "page_html.h"

__asm__(".pushsection .rodata\n"
        ".balign 16\n"
        "jmi_html_begin:\n"
        ".incbin \"" JM_PAGE "\"\n"
        "jmi_html_end:\n"
        ".byte 0\n"
        ".popsection\n");
extern const char jmi_html_begin[] __attribute__((visibility("hidden")));
extern const char jmi_html_end[] __attribute__((visibility("hidden")));

const char *jmi_html_template(size_t *length) {
    *length = (size_t)(jmi_html_end - jmi_html_begin);
    return jmi_html_begin;
}
#else
const char *jmi_html_template(size_t *length) {
    *length = 0;
    return NULL;
}
#endif
