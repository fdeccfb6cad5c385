/* velocem._core.Board from the inside: for the Worker that counts on it, and the Admin that shows it. */
#pragma once

#include "py/state.h"

#include "admin/board.h"

struct board {
    PyObject_HEAD
    struct vel_board *shared; /* owned */
};

/* The memory of a Board, which the caller keeps alive; NULL with TypeError when o is none. */
struct vel_board *vel_board_of(struct vel_state *state, PyObject *o);
