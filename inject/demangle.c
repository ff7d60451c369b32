#include "kernels.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

/* A program with C++ kernels has the C++ library, and with it what unmakes its names: we need none
 * of our own. It may not be in the main program's scope, as in Python. */
typedef char *demangle_fn(const char *name, char *buffer, size_t *size, int *status);

static demangle_fn *find_demangler(void) {
    void *found = dlsym(RTLD_DEFAULT, "__cxa_demangle");
    static const char *const libraries[] = {"libstdc++.so.6", "libc++abi.so.1"};
    for (size_t i = 0; found == NULL && i < sizeof libraries / sizeof *libraries; i++) {
        void *library = dlopen(libraries[i], RTLD_LAZY | RTLD_NOLOAD);
        if (library == NULL) continue;
        found = dlsym(library, "__cxa_demangle");
        /* Not closed: what was found stays. */
    }
    demangle_fn *call = NULL;
    if (found != NULL) memcpy(&call, &found, sizeof call);
    return call;
}

static inject_names names;

const char *inject_demangled(const char *mangled) {
    inject_name *name = inject_name_of(&names, mangled);
    if (name == NULL) return "(out of memory)";
    const char *known = atomic_load_explicit(&name->thing, memory_order_acquire);
    if (known != NULL) return known;
    int status = -1;
    demangle_fn *demangle = mangled[0] == '_' && mangled[1] == 'Z' ? find_demangler() : NULL;
    void *clear = demangle != NULL ? demangle(mangled, NULL, NULL, &status) : NULL;
    if (clear == NULL || status != 0) clear = name->text;
    atomic_store_explicit(&name->thing, clear, memory_order_release);
    return clear;
}
