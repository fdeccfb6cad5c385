/* What a process of the server tells the kernel about itself: its name, and with whom it ends. */
#include "py/process.h"

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Where the kernel looks for the arguments that ps shows: fields 48 and 49 of proc_pid_stat(5), which are 0 for a
 * process that may not know. The interpreter has copied them, so the place can be written over. */
static size_t find_arguments(char **at) {
    unsigned long start = 0, end = 0;
    char line[4096];
    FILE *file = fopen("/proc/self/stat", "re");
    size_t n = file != NULL ? fread(line, 1, sizeof(line) - 1, file) : 0;
    if (file != NULL)
        fclose(file);
    line[n] = '\0';
    char *rest = strrchr(line, ')'); /* field 2 may hold anything, a parenthesis too */
    for (int field = 2; rest != NULL && field < 48; field++) {
        rest = strchr(rest, ' ');
        if (rest != NULL)
            rest++;
    }
    if (rest == NULL || sscanf(rest, "%lu %lu", &start, &end) != 2 || start == 0 || end <= start)
        return 0;
    *at = (char *)start;
    return end - start;
}

/* The last byte stays NUL: by any other the kernel would take the environment for a part of the title. */
static void write_title(char *at, size_t room, const char *title) {
    size_t len = strlen(title);
    if (len > room - 1)
        len = room - 1;
    memcpy(at, title, len);
    memset(at + len, 0, room - len);
}

static PyObject *process_title(PyObject *Py_UNUSED(module), PyObject *given) {
    const char *title = PyUnicode_AsUTF8(given);
    if (title == NULL)
        return NULL;
    char *at;
    size_t room = find_arguments(&at);
    if (room > 0)
        write_title(at, room, title);
    prctl(PR_SET_NAME, title); /* its first 15 bytes: what top and pgrep show */
    Py_RETURN_NONE;
}

static PyObject *die_with_parent(PyObject *Py_UNUSED(module), PyObject *given) {
    long number = PyLong_AsLong(given);
    if (number == -1 && PyErr_Occurred())
        return NULL;
    if (prctl(PR_SET_PDEATHSIG, (unsigned long)number) < 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    Py_RETURN_NONE;
}

PyMethodDef vel_process_methods[] = {
    {"process_title", process_title, METH_O,
     "process_title($module, title, /)\n--\n\nWhat ps and top show for this process; cut to the place there is."},
    {"die_with_parent", die_with_parent, METH_O,
     "die_with_parent($module, signal, /)\n--\n\nThis process gets the signal when the thread that forked it ends."},
    {NULL, NULL, 0, NULL},
};
