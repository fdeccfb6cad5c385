/* What a process of the server tells the kernel about itself: its name, and with whom it ends. */
#pragma once

#include "py/compat.h"

/* process_title(title) and die_with_parent(signal), for the module; ended by NULL. */
extern PyMethodDef vel_process_methods[];
