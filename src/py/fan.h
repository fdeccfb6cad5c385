/* fan_out(), a function of the module. */
#pragma once

#include "py/compat.h"

extern PyMethodDef vel_fan_methods[];
