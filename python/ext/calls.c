/* Calls of parts of a program, such as the layers of a network: what hooks do at their edges. A
 * hook is a stamp and a store, by a stack for each thread; ranges are made of the calls afterwards.
 */
#include "ext.h"

#include <stdlib.h>
#include <string.h>

#define NOBODY (-1)

typedef struct call {
    int64_t begin, end;  /* ns, or numbers of marks */
    int64_t first, last; /* of the objects that were made meanwhile, see `sequence` */
    int32_t part;
    int32_t parent; /* index of the call that was open around it, or NOBODY */
    int32_t thread;
    bool open;
} call;

typedef struct stack {
    unsigned long ident;
    int32_t *items; /* indices of open calls */
    size_t depth, room;
} stack;

typedef struct calls_object {
    PyObject_HEAD call *calls;
    size_t count, room;
    stack *stacks;
    size_t stack_count;
    PyObject
        *marks; /* a list of callables, each of which is called once; NULL: the clock is read */
    Py_ssize_t next_mark;
    PyObject *more;     /* called when the marks are used up, to append some */
    PyObject *sequence; /* () -> how many objects were made in this thread */
    PyObject *finish;   /* called with the output of a call that no other of `within` is around */
    int32_t within;     /* parts before this one, such as modules' forwards */
    PyObject *flush;    /* called before a call, once there are `most` and none is open */
    Py_ssize_t most;
    bool stopped;
} calls_object;

/* A function that a call of a part is about. */
typedef struct around_object {
    PyObject_HEAD calls_object *calls;
    PyObject *inner;
    int32_t part;
} around_object;

typedef struct edge_object {
    PyObject_HEAD calls_object *calls;
    int32_t part;
    bool ends;
} edge_object;

static PyTypeObject *calls_type, *edge_type, *around_type;

/* ---- what a hook does ---- */

/* `array` with room for one more of `size`. -1: exception set. */
static int grow(void **array, size_t *room, size_t count, size_t size) {
    if (count < *room) return 0;
    size_t wanted = *room > 0 ? 2 * *room : 64;
    void *larger = wanted < INT32_MAX ? realloc(*array, wanted * size) : NULL;
    if (larger == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    *array = larger;
    *room = wanted;
    return 0;
}

static stack *stack_of_thread(calls_object *c) {
    unsigned long ident = PyThread_get_thread_ident();
    for (size_t i = 0; i < c->stack_count; i++)
        if (c->stacks[i].ident == ident) return &c->stacks[i];
    stack *larger = realloc(c->stacks, (c->stack_count + 1) * sizeof *larger);
    if (larger == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    c->stacks = larger;
    larger[c->stack_count] = (stack){.ident = ident};
    return &larger[c->stack_count++];
}

/* A moment. -1: exception set. */
static int stamp(calls_object *c, int64_t *moment) {
    if (c->marks == NULL) {
        *moment = jm_now_ns();
        return 0;
    }
    if (c->next_mark >= PyList_Size(c->marks) && c->more != NULL) {
        PyObject *done = PyObject_CallObject(c->more, NULL);
        Py_XDECREF(done);
        if (done == NULL) return -1;
    }
    PyObject *mark = PyList_GetItem(c->marks, c->next_mark);
    PyObject *done = mark != NULL ? PyObject_CallObject(mark, NULL) : NULL;
    Py_XDECREF(done);
    *moment = c->next_mark++;
    return done != NULL ? 0 : -1;
}

/* Objects made so far in this thread; 0 where nobody asks. -1: exception set. */
static int64_t count_objects(calls_object *c) {
    if (c->sequence == NULL) return 0;
    PyObject *number = PyObject_CallObject(c->sequence, NULL);
    int64_t value = number != NULL ? PyLong_AsLongLong(number) : -1;
    Py_XDECREF(number);
    return value;
}

/* Has those so far taken, best at a call of the first part: no backward of theirs comes after it.
 */
static int flush_calls(calls_object *c, int32_t part) {
    if (c->flush == NULL || (Py_ssize_t)c->count < (part == 0 ? c->most : 8 * c->most)) return 0;
    for (size_t i = 0; i < c->stack_count; i++)
        if (c->stacks[i].depth > 0) return 0;
    PyObject *done = PyObject_CallObject(c->flush, NULL);
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

static int begin_call(calls_object *c, int32_t part) {
    if (flush_calls(c, part) != 0) return -1;
    stack *s = stack_of_thread(c);
    if (s == NULL || grow((void **)&c->calls, &c->room, c->count, sizeof *c->calls) != 0 ||
        grow((void **)&s->items, &s->room, s->depth, sizeof *s->items) != 0)
        return -1;
    call *new = &c->calls[c->count];
    *new = (call){.part = part,
                  .parent = s->depth > 0 ? s->items[s->depth - 1] : NOBODY,
                  .thread = (int32_t)(s - c->stacks),
                  .open = true};
    new->first = count_objects(c);
    if (new->first < 0 || stamp(c, &new->begin) != 0) return -1;
    s->items[s->depth++] = (int32_t)c->count++;
    return 0;
}

/* Ends all that is open in a thread above `depth`, now. */
static int end_above(calls_object *c, stack *s, size_t depth) {
    int64_t moment, last;
    if (s->depth <= depth) return 0;
    if (stamp(c, &moment) != 0 || (last = count_objects(c)) < 0) return -1;
    while (s->depth > depth) {
        call *open = &c->calls[s->items[--s->depth]];
        open->end = moment;
        open->last = last;
        open->open = false;
    }
    return 0;
}

/* Ends the innermost call of the part, and what an exception has left open within it. Where none is
 * open the hook came between the edges of a call, and nothing is known of that. */
static int end_call(calls_object *c, int32_t part, PyObject *output) {
    stack *s = stack_of_thread(c);
    if (s == NULL) return -1;
    size_t depth = s->depth;
    while (depth > 0 && c->calls[s->items[depth - 1]].part != part) depth--;
    if (depth == 0) return 0;
    if (end_above(c, s, depth - 1) != 0) return -1;
    if (part >= c->within || c->finish == NULL || output == NULL) return 0;
    while (--depth > 0)
        if (c->calls[s->items[depth - 1]].part < c->within) return 0;
    PyObject *done = PyObject_CallFunctionObjArgs(c->finish, output, NULL);
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

/* A hook after a forward is given (module, arguments, output). */
static PyObject *edge_call(PyObject *self, PyObject *args, PyObject *kwargs) {
    (void)kwargs;
    edge_object *edge = (edge_object *)self;
    calls_object *c = edge->calls;
    PyObject *output = edge->ends && PyTuple_Size(args) == 3 ? PyTuple_GetItem(args, 2) : NULL;
    if (!c->stopped &&
        (edge->ends ? end_call(c, edge->part, output) : begin_call(c, edge->part)) != 0)
        return NULL;
    Py_RETURN_NONE;
}

/* Ends a call that raised an exception, which goes on. */
static void end_failed(calls_object *c, int32_t part) {
    PyObject *exception, *value, *trace;
    PyErr_Fetch(&exception, &value, &trace);
    if (end_call(c, part, NULL) != 0) PyErr_Clear();
    PyErr_Restore(exception, value, trace);
}

static PyObject *around_call(PyObject *self, PyObject *args, PyObject *kwargs) {
    around_object *around = (around_object *)self;
    calls_object *c = around->calls;
    if (c->stopped) return PyObject_Call(around->inner, args, kwargs);
    if (begin_call(c, around->part) != 0) return NULL;
    PyObject *output = PyObject_Call(around->inner, args, kwargs);
    if (output == NULL)
        end_failed(c, around->part);
    else if (end_call(c, around->part, output) != 0)
        Py_CLEAR(output);
    return output;
}

/* Whatever is asked of it is answered by the function: its signature, its name ... */
static PyObject *around_get(PyObject *self, PyObject *name) {
    PyObject *inner = ((around_object *)self)->inner;
    if (PyUnicode_CompareWithASCIIString(name, "__wrapped__") == 0) {
        Py_INCREF(inner);
        return inner;
    }
    PyObject *value = PyObject_GenericGetAttr(self, name);
    if (value != NULL || !PyErr_ExceptionMatches(PyExc_AttributeError)) return value;
    PyErr_Clear();
    return PyObject_GetAttr(inner, name);
}

/* A copy of the module, or what is saved of it, has the function alone. */
static PyObject *around_reduce(PyObject *self, PyObject *protocol) {
    return PyObject_CallMethod(((around_object *)self)->inner, "__reduce_ex__", "O", protocol);
}

static void around_dealloc(PyObject *self) {
    around_object *around = (around_object *)self;
    PyObject_GC_UnTrack(self);
    Py_XDECREF((PyObject *)around->calls);
    Py_XDECREF(around->inner);
    PyObject_GC_Del(self);
    Py_DECREF(around_type);
}

static int around_traverse(PyObject *self, visitproc visit, void *arg) {
    around_object *around = (around_object *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT((PyObject *)around->calls);
    Py_VISIT(around->inner);
    return 0;
}

static PyObject *calls_around(PyObject *self, PyObject *args) {
    int part;
    PyObject *inner;
    if (!PyArg_ParseTuple(args, "iO", &part, &inner)) return NULL;
    around_object *around = PyObject_GC_New(around_object, around_type);
    if (around == NULL) return NULL;
    Py_INCREF(self);
    Py_INCREF(inner);
    around->calls = (calls_object *)self;
    around->inner = inner;
    around->part = part;
    PyObject_GC_Track((PyObject *)around);
    return (PyObject *)around;
}

static void edge_dealloc(PyObject *self) {
    PyObject_GC_UnTrack(self);
    Py_XDECREF((PyObject *)((edge_object *)self)->calls);
    PyObject_GC_Del(self);
    Py_DECREF(edge_type);
}

static int edge_traverse(PyObject *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT((PyObject *)((edge_object *)self)->calls);
    return 0;
}

static PyObject *edge_new(PyObject *self, PyObject *args, bool ends) {
    int part;
    if (!PyArg_ParseTuple(args, "i", &part)) return NULL;
    edge_object *edge = PyObject_GC_New(edge_object, edge_type);
    if (edge == NULL) return NULL;
    Py_INCREF(self);
    edge->calls = (calls_object *)self;
    edge->part = part;
    edge->ends = ends;
    PyObject_GC_Track((PyObject *)edge);
    return (PyObject *)edge;
}

static PyObject *calls_begin(PyObject *self, PyObject *args) {
    return edge_new(self, args, false);
}
static PyObject *calls_end(PyObject *self, PyObject *args) {
    return edge_new(self, args, true);
}

/* ---- what was recorded ---- */

static PyObject *calls_cut(PyObject *self, PyObject *unused) {
    (void)unused;
    calls_object *c = (calls_object *)self;
    size_t open = 0;
    for (size_t i = 0; i < c->stack_count; i++) {
        open += c->stacks[i].depth;
        if (end_above(c, &c->stacks[i], 0) != 0) return NULL;
    }
    return PyLong_FromSize_t(open);
}

static PyObject *calls_stop(PyObject *self, PyObject *unused) {
    PyObject *open = calls_cut(self, unused);
    ((calls_object *)self)->stopped = true;
    return open;
}

static PyObject *calls_take(PyObject *self, PyObject *unused) {
    PyObject *open = calls_cut(self, unused);
    PyObject *list = open != NULL ? PyList_New(0) : NULL;
    calls_object *c = (calls_object *)self;
    Py_XDECREF(open);
    for (size_t i = 0; list != NULL && i < c->count; i++) {
        const call *one = &c->calls[i];
        PyObject *row = Py_BuildValue("(iLLiiLL)", (int)one->part, (long long)one->begin,
                                      (long long)one->end, (int)one->parent, (int)one->thread,
                                      (long long)one->first, (long long)one->last);
        if (row == NULL || PyList_Append(list, row) != 0) Py_CLEAR(list);
        Py_XDECREF(row);
    }
    if (list != NULL) {
        c->count = 0;
        c->next_mark = 0;
    }
    return list;
}

static PyObject *calls_current(PyObject *self, PyObject *unused) {
    (void)unused;
    calls_object *c = (calls_object *)self;
    stack *s = stack_of_thread(c);
    if (s == NULL) return NULL;
    return PyLong_FromLong(s->depth > 0 ? s->items[s->depth - 1] : NOBODY);
}

static PyObject *calls_span(PyObject *self, PyObject *args) {
    int index;
    calls_object *c = (calls_object *)self;
    if (!PyArg_ParseTuple(args, "i", &index)) return NULL;
    if (index < 0 || (size_t)index >= c->count) {
        PyErr_SetString(PyExc_IndexError, "there is no such call");
        return NULL;
    }
    const call *one = &c->calls[index];
    return Py_BuildValue("(iiLL)", (int)one->part, (int)one->parent, (long long)one->first,
                         (long long)(one->open ? INT64_MAX : one->last));
}

static PyObject *calls_flush_at(PyObject *self, PyObject *args) {
    calls_object *c = (calls_object *)self;
    PyObject *flush;
    if (!PyArg_ParseTuple(args, "nO", &c->most, &flush)) return NULL;
    Py_XDECREF(c->flush);
    c->flush = flush;
    Py_INCREF(flush);
    Py_RETURN_NONE;
}

static PyObject *get_count(PyObject *self, void *unused) {
    (void)unused;
    return PyLong_FromSize_t(((calls_object *)self)->count);
}

/* ---- life ---- */

static void keep(PyObject **place, PyObject *value) {
    *place = value == Py_None ? NULL : value;
    Py_XINCREF(*place);
}

static int calls_init(PyObject *self, PyObject *args, PyObject *kwargs) {
    static char *names[] = {"marks", "more", "sequence", "finish", "within", NULL};
    PyObject *marks = NULL, *more = NULL, *sequence = NULL, *finish = NULL;
    calls_object *c = (calls_object *)self;
    int within = INT32_MAX;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OOOOi", names, &marks, &more, &sequence,
                                     &finish, &within))
        return -1;
    if (marks != NULL && marks != Py_None && !PyList_Check(marks)) {
        PyErr_SetString(PyExc_TypeError, "marks must be a list");
        return -1;
    }
    if (c->marks != NULL || c->more != NULL || c->sequence != NULL || c->finish != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "calls are set up once");
        return -1;
    }
    keep(&c->marks, marks);
    keep(&c->more, more);
    keep(&c->sequence, sequence);
    keep(&c->finish, finish);
    c->within = within;
    return 0;
}

static int calls_traverse(PyObject *self, visitproc visit, void *arg) {
    calls_object *c = (calls_object *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(c->marks);
    Py_VISIT(c->more);
    Py_VISIT(c->sequence);
    Py_VISIT(c->finish);
    Py_VISIT(c->flush);
    return 0;
}

static int calls_clear(PyObject *self) {
    calls_object *c = (calls_object *)self;
    c->stopped = true; /* hooks may outlive it */
    Py_CLEAR(c->marks);
    Py_CLEAR(c->more);
    Py_CLEAR(c->sequence);
    Py_CLEAR(c->finish);
    Py_CLEAR(c->flush);
    return 0;
}

static void calls_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    calls_object *c = (calls_object *)self;
    PyObject_GC_UnTrack(self);
    calls_clear(self);
    for (size_t i = 0; i < c->stack_count; i++) free(c->stacks[i].items);
    free(c->stacks);
    free(c->calls);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {
    {"begin", calls_begin, METH_VARARGS, "begin(part, /)\n--\n\nA hook that begins a call of it."},
    {"end", calls_end, METH_VARARGS, "end(part, /)\n--\n\nA hook that ends a call of it."},
    {"around", calls_around, METH_VARARGS,
     "around(part, function, /)\n--\n\nA function that does the same within a call of the part."},
    {"cut", calls_cut, METH_NOARGS, "cut()\n--\n\nEnds what is open; returns how many were."},
    {"stop", calls_stop, METH_NOARGS, "stop()\n--\n\nLikewise, and hooks do nothing any more."},
    {"take", calls_take, METH_NOARGS,
     "take()\n--\n\n(part, begin, end, parent, thread, first, last) of the calls so far, which are "
     "then forgotten. Times are in ns, or numbers of marks; a parent is an index, or -1."},
    {"flush_at", calls_flush_at, METH_VARARGS,
     "flush_at(most, function, /)\n--\n\nCalled while none is open, once there are so many."},
    {"current", calls_current, METH_NOARGS,
     "current()\n--\n\nIndex of the innermost open call of this thread, or -1."},
    {"span", calls_span, METH_VARARGS,
     "span(index, /)\n--\n\n(part, parent, first, last) of a call."},
    {0}};

static PyGetSetDef getters[] = {{"count", get_count, NULL, "Number of calls so far.", NULL}, {0}};

static PyType_Slot slots[] = {{Py_tp_init, calls_init},
                              {Py_tp_new, PyType_GenericNew},
                              {Py_tp_dealloc, calls_dealloc},
                              {Py_tp_traverse, calls_traverse},
                              {Py_tp_clear, calls_clear},
                              {Py_tp_methods, methods},
                              {Py_tp_getset, getters},
                              {Py_tp_doc, "Calls of parts of a program, as hooks tell of them."},
                              {0, NULL}};

static PyType_Spec spec = {.name = "_joulemeter.Calls",
                           .basicsize = sizeof(calls_object),
                           .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
                           .slots = slots};

static PyType_Slot edge_slots[] = {{Py_tp_call, edge_call},
                                   {Py_tp_dealloc, edge_dealloc},
                                   {Py_tp_traverse, edge_traverse},
                                   {Py_tp_doc, "A hook."},
                                   {0, NULL}};

static PyType_Spec edge_spec = {.name = "_joulemeter.Edge",
                                .basicsize = sizeof(edge_object),
                                .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
                                .slots = edge_slots};

static PyMethodDef around_methods[] = {{"__reduce_ex__", around_reduce, METH_O, NULL}, {0}};

static PyType_Slot around_slots[] = {{Py_tp_call, around_call},
                                     {Py_tp_getattro, around_get},
                                     {Py_tp_dealloc, around_dealloc},
                                     {Py_tp_traverse, around_traverse},
                                     {Py_tp_methods, around_methods},
                                     {Py_tp_doc, "A function within calls of a part."},
                                     {0, NULL}};

static PyType_Spec around_spec = {.name = "_joulemeter.Around",
                                  .basicsize = sizeof(around_object),
                                  .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
                                  .slots = around_slots};

int add_calls(PyObject *module) {
    PyObject *type = PyType_FromSpec(&spec);
    calls_type = (PyTypeObject *)type;
    edge_type = (PyTypeObject *)PyType_FromSpec(&edge_spec);
    around_type = (PyTypeObject *)PyType_FromSpec(&around_spec);
    if (calls_type == NULL || edge_type == NULL || around_type == NULL) return -1;
    Py_INCREF(type);
    return PyModule_AddObject(module, "Calls", type);
}
