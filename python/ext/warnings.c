/* Warnings of the library on their way to Python. */
#include "ext.h"

#include <stdlib.h>
#include <string.h>

struct waiting_warning {
    waiting_warning *next;
    char text[];
};

static session_object *open_sessions; /* under the interpreter's lock */

/* Hands warnings over, oldest first; they wait while nobody is there to hear. An exception of the
 * callback is printed, not raised: there is nobody to catch it. */
void warnings_deliver(session_object *session) {
    if (session->on_warning == NULL) return;
    waiting_warning *list = atomic_exchange(&session->warnings, NULL), *oldest = NULL;
    while (list != NULL) {
        waiting_warning *next = list->next;
        list->next = oldest;
        oldest = list;
        list = next;
    }
    PyObject *callback = session->on_warning;
    Py_INCREF(callback);
    while (oldest != NULL) {
        waiting_warning *next = oldest->next;
        PyObject *result = PyObject_CallFunction(callback, "s", oldest->text);
        if (result == NULL) PyErr_WriteUnraisable(callback);
        Py_XDECREF(result);
        free(oldest);
        oldest = next;
    }
    Py_DECREF(callback);
}

void warnings_forget(session_object *session) {
    waiting_warning *list = atomic_exchange(&session->warnings, NULL);
    while (list != NULL) {
        waiting_warning *next = list->next;
        free(list);
        list = next;
    }
}

/* One that warnings wait for. Nobody may hold on to a session that is being deallocated: its count
 * of references is 0, and Python code may yet run (weak references) before it leaves the list. */
static session_object *first_waiting(void) {
    for (session_object *s = open_sessions; s != NULL; s = s->next)
        if (s->on_warning != NULL && atomic_load(&s->warnings) != NULL &&
            Py_REFCNT((PyObject *)s) > 0)
            return s;
    return NULL;
}

/* A callback may close any session, so the list is begun anew after each; one that always causes
 * another warning must not go on for ever. */
static int deliver_all(void *unused) {
    (void)unused;
    session_object *s;
    for (int round = 0; round < 1000 && (s = first_waiting()) != NULL; round++) {
        Py_INCREF((PyObject *)s);
        warnings_deliver(s);
        Py_DECREF((PyObject *)s);
    }
    return 0;
}

/* From a thread of the library. */
void warnings_take(const char *message, void *user) {
    session_object *session = user;
    size_t size = strlen(message) + 1;
    waiting_warning *fresh = malloc(sizeof *fresh + size);
    if (fresh == NULL) return;
    memcpy(fresh->text, message, size);
    fresh->next = atomic_load(&session->warnings);
    while (!atomic_compare_exchange_weak(&session->warnings, &fresh->next, fresh)) {
    }
    Py_AddPendingCall(deliver_all, NULL);
}

void warnings_watch(session_object *session) {
    session->next = open_sessions;
    open_sessions = session;
}

void warnings_unwatch(session_object *session) {
    for (session_object **at = &open_sessions; *at != NULL; at = &(*at)->next)
        if (*at == session) {
            *at = session->next;
            return;
        }
}
