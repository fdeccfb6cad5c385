/* Static: a folder that is answered without Python, one file at a time. */
#include "py/native/core.h"

#include "py/error.h"
#include "py/text.h"
#include "py/types.h"

#include "base/clock.h"
#include "coding/accept.h"
#include "files/path.h"
#include "files/tree.h"
#include "http/field_check.h"

#include <errno.h>

struct folder {
    PyObject_HEAD
    struct vel_tree *tree; /* owned, as all below */
    PyObject *types;       /* extension in lower case to type, both as they were given: str to bytes */
    PyObject *cache;       /* bytes, the value of Cache-Control, or empty */
    PyObject *index, *spa; /* bytes, names of files, or empty */
    bool twins, dotfiles;
};

/* A request on its way to a file. */
struct finding {
    struct folder *folder;
    struct vel_answer *answer;
    const struct vel_head *head;
    uint64_t now;
    bool fallback;           /* the page of an application is given instead */
    struct vel_slice coding; /* of the twin that is given, or empty */
    char path[VEL_FILE_PATH_MAX + 16];
    size_t len;
};

/* --- finding ----------------------------------------------------------------------------------------------------- */

static bool push(struct finding *f, struct vel_slice name) {
    if (f->len + name.len >= VEL_FILE_PATH_MAX)
        return false;
    memcpy(f->path + f->len, name.at, name.len);
    f->len += name.len;
    f->path[f->len] = '\0';
    return true;
}

static struct vel_file *get(struct finding *f) {
    return vel_tree_get(f->folder->tree, vel_slice(f->path, f->len), f->now);
}

static struct vel_slice accepted(const struct finding *f) {
    const struct vel_field *field = vel_head_field(f->head, VEL_FIELD_ACCEPT_ENCODING);
    return field != NULL ? field->value : (struct vel_slice){0};
}

/* The file compressed ahead, best first, if there is one that the client takes. */
static struct vel_file *get_twin(struct finding *f) {
    static const struct {
        struct vel_slice coding, suffix;
    } known[] = {{{"zstd", 4}, {".zst", 4}}, {{"br", 2}, {".br", 3}}, {{"gzip", 4}, {".gz", 3}}};
    size_t len = f->len;
    struct vel_slice accept = accepted(f);
    for (size_t i = 0; accept.len > 0 && i < sizeof(known) / sizeof(*known); i++) {
        if (!vel_coding_accepted(accept, known[i].coding) || !push(f, known[i].suffix))
            continue;
        struct vel_file *file = get(f);
        f->len = len;
        f->path[len] = '\0';
        if (file != NULL) {
            f->coding = known[i].coding;
            return file;
        }
    }
    return NULL;
}

static struct vel_file *get_best(struct finding *f) {
    struct vel_file *file = f->folder->twins ? get_twin(f) : NULL;
    return file != NULL ? file : get(f);
}

/* A client that reads pages asks for an address of the application in them, which is no file. */
static bool is_page(const struct finding *f) {
    const struct vel_field *accept = vel_head_field(f->head, VEL_FIELD_ACCEPT);
    const char *slash = f->len > 0 ? memrchr(f->path, '/', f->len) : NULL;
    const char *name = slash != NULL ? slash + 1 : f->path;
    if (accept == NULL || strchr(name, '.') != NULL)
        return false;
    return memmem(accept->value.at, accept->value.len, "text/html", 9) != NULL;
}

static struct vel_file *get_spa(struct finding *f) {
    if (PyBytes_GET_SIZE(f->folder->spa) == 0 || !is_page(f)) {
        errno = ENOENT;
        return NULL;
    }
    f->len = 0;
    f->fallback = true;
    return push(f, vel_bytes_slice(f->folder->spa)) ? get_best(f) : NULL;
}

/* NULL with errno; EISDIR: the path lacks a slash at its end, and with it there is an index. */
static struct vel_file *find(struct finding *f) {
    struct vel_slice index = vel_bytes_slice(f->folder->index);
    struct vel_file *file = NULL;
    bool is_folder = f->len == 0 || f->path[f->len - 1] == '/';
    errno = ENOENT;
    if (!is_folder)
        file = get_best(f);
    else if (index.len > 0 && push(f, index))
        file = get_best(f);
    if (file != NULL || (errno == EISDIR && !is_folder && index.len > 0))
        return file;
    return errno == ENOENT || errno == EISDIR ? get_spa(f) : NULL;
}

/* --- answering --------------------------------------------------------------------------------------------------- */

/* By what is behind the last dot of the name; the folder has the types. */
static int add_type(struct finding *f) {
    const char *slash = memrchr(f->path, '/', f->len), *name = slash != NULL ? slash + 1 : f->path;
    const char *dot = strrchr(name, '.');
    char extension[16];
    size_t len = dot != NULL && dot != name ? strlen(dot + 1) : 0;
    len = len < sizeof(extension) ? len : 0;
    for (size_t i = 0; i < len; i++)
        extension[i] = vel_ascii_lower(dot[1 + i]);
    PyObject *key = PyUnicode_DecodeLatin1(extension, (Py_ssize_t)len, NULL), *type = NULL;
    if (key != NULL)
        type = PyDict_GetItemWithError(f->folder->types, key); // borrowed: the dict stays as it is
    Py_XDECREF(key);
    if (PyErr_Occurred())
        return -1;
    return vel_answer_add_text(f->answer, VEL_SLICE("Content-Type"),
                               type != NULL ? vel_bytes_slice(type) : VEL_SLICE("application/octet-stream"));
}

/* The page for an address of the application is not the file of that name: it has to be asked for each time. */
static int add_fields(struct finding *f) {
    struct vel_slice cache = f->fallback ? VEL_SLICE("no-cache") : vel_bytes_slice(f->folder->cache);
    if (add_type(f) < 0 || (cache.len > 0 && vel_answer_add_text(f->answer, VEL_SLICE("Cache-Control"), cache) < 0))
        return -1;
    if (f->coding.len > 0 && vel_answer_add_text(f->answer, VEL_SLICE("Content-Encoding"), f->coding) < 0)
        return -1;
    return f->folder->twins ? vel_answer_add_text(f->answer, VEL_SLICE("Vary"), VEL_SLICE("Accept-Encoding")) : 0;
}

static int answer_methods(struct vel_reading *r, struct vel_answer *answer) {
    PyObject *allow = Py_BuildValue("(sss)", "GET", "HEAD", "OPTIONS");
    unsigned status = r->head->method == VEL_METHOD_OPTIONS ? 204 : 405;
    int err = allow != NULL ? vel_answer_problem(r->core, r, status, allow, answer) : -1;
    Py_XDECREF(allow);
    return err;
}

static int answer_missing(struct vel_reading *r, struct vel_answer *answer) {
    if (errno == EISDIR)
        return vel_answer_redirect(r->core, r->head, answer);
    bool busy = errno == EMFILE || errno == ENFILE || errno == ENOMEM;
    return vel_answer_problem(r->core, r, busy ? 503 : 404, NULL, answer);
}

static int answer(struct vel_reading *r, struct folder *folder, struct vel_slice rest, struct vel_answer *answer) {
    struct finding f;
    if (r->head->method != VEL_METHOD_GET && r->head->method != VEL_METHOD_HEAD)
        return answer_methods(r, answer);
    int len = vel_file_path(rest, !r->head->path_is_decoded, folder->dotfiles, f.path);
    if (len < 0)
        return vel_answer_problem(r->core, r, 404, NULL, answer);
    f.folder = folder;
    f.answer = answer;
    f.head = r->head;
    f.now = vel_clock_ms();
    f.len = (size_t)len;
    f.fallback = false;
    f.coding = (struct vel_slice){0};
    struct vel_file *file = find(&f);
    if (file == NULL)
        return answer_missing(r, answer);
    vel_answer_begin(answer, 200);
    if (add_fields(&f) < 0) {
        vel_file_release(file);
        return -1;
    }
    return vel_answer_file(r->core, r->head, file, answer);
}

void vel_static_answer(struct vel_reading *r, PyObject *o, struct vel_slice rest, struct vel_answer *to) {
    if (answer(r, (struct folder *)o, rest, to) == 0)
        return;
    vel_log(r->core->log, VEL_LOG_ERROR, "the file cannot be sent");
    vel_answer_free(to);
    vel_answer_500(to);
}

/* --- the type ---------------------------------------------------------------------------------------------------- */

static int check_types(PyObject *types) {
    PyObject *key, *value;
    Py_ssize_t pos = 0;
    while (PyDict_Next(types, &pos, &key, &value))
        if (!PyUnicode_Check(key) || !PyBytes_Check(value) ||
            !vel_check_value(&vel_scan_plain, vel_bytes_slice(value))) {
            PyErr_SetString(PyExc_TypeError, "types are extensions as str and content types as bytes");
            return -1;
        }
    return 0;
}

static int open_tree(struct folder *self, PyObject *root, int links) {
    PyObject *bytes;
    if (!PyUnicode_FSConverter(root, &bytes))
        return -1;
    self->tree = vel_tree_new(PyBytes_AS_STRING(bytes), links);
    Py_DECREF(bytes);
    if (self->tree == NULL)
        PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, root);
    return self->tree != NULL ? 0 : -1;
}

/* A name as the path of a request would have it, so that it leads nowhere else. */
static PyObject *take_name(PyObject *given) {
    PyObject *bytes;
    char path[VEL_FILE_PATH_MAX];
    if (!PyUnicode_FSConverter(given, &bytes))
        return NULL;
    if (PyBytes_GET_SIZE(bytes) > 0 && vel_file_path(vel_bytes_slice(bytes), false, true, path) < 0) {
        PyErr_Format(PyExc_ValueError, "%R is no file below the folder", given);
        Py_CLEAR(bytes);
    }
    return bytes;
}

static int take(struct folder *self, PyObject *args, PyObject *kwargs) {
    static const char *const names[] = {"root",  "cache",    "precompressed", "index", "spa",
                                        "links", "dotfiles", "types",         NULL};
    PyObject *root, *cache = NULL, *index = NULL, *spa = NULL, *types = NULL;
    int twins = 0, links = 0, dotfiles = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$SpUUppO!:Static", (char **)names, &root, &cache, &twins, &index,
                                     &spa, &links, &dotfiles, &PyDict_Type, &types))
        return -1;
    self->twins = twins;
    self->dotfiles = dotfiles;
    self->cache = cache != NULL ? Py_NewRef(cache) : PyBytes_FromStringAndSize(NULL, 0);
    self->types = types != NULL ? PyDict_Copy(types) : PyDict_New();
    self->index = index != NULL ? take_name(index) : PyBytes_FromStringAndSize(NULL, 0);
    self->spa = spa != NULL ? take_name(spa) : PyBytes_FromStringAndSize(NULL, 0);
    if (self->cache == NULL || self->types == NULL || self->index == NULL || self->spa == NULL)
        return -1;
    if (!vel_check_value(&vel_scan_plain, vel_bytes_slice(self->cache))) {
        PyErr_SetString(PyExc_ValueError, "cache has control characters");
        return -1;
    }
    return check_types(self->types) < 0 ? -1 : open_tree(self, root, links);
}

static PyObject *new (PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    struct folder *self = (struct folder *)type->tp_alloc(type, 0);
    if (self != NULL && take(self, args, kwargs) < 0)
        Py_CLEAR(self);
    return (PyObject *)self;
}

static void dealloc(PyObject *o) {
    struct folder *self = (struct folder *)o;
    PyTypeObject *type = Py_TYPE(o);
    vel_tree_free(self->tree);
    Py_CLEAR(self->types);
    Py_CLEAR(self->cache);
    Py_CLEAR(self->index);
    Py_CLEAR(self->spa);
    type->tp_free(o);
    Py_DECREF(type);
}

static PyType_Slot slots[] = {
    {Py_tp_doc, "Static(root, *, cache=b'', precompressed=False, index='', spa='', links=False, dotfiles=False, "
                "types={})\n--\n\nA folder, as what a Core's router leads to. OSError when it cannot be opened."},
    {Py_tp_new, new},
    {Py_tp_dealloc, dealloc},
    {0, NULL},
};

PyType_Spec vel_static_type_spec = {
    .name = "velocem._core.Static",
    .basicsize = sizeof(struct folder),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
