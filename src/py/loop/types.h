/* The specs of the event loop's types, for state.c to make them. */
#pragma once

#include "py/compat.h"

extern PyType_Spec vel_aio__loop_type_spec;
extern PyType_Spec vel_aio__handle_type_spec;
extern PyType_Spec vel_aio__timer_handle_type_spec;
extern PyType_Spec vel_aio__transport_type_spec;
extern PyType_Spec vel_aio__acceptor_type_spec;
