/* The specs of the module's types, for state.c to make them. */
#pragma once

#include "py/compat.h"

extern PyType_Spec vel_worker_type_spec;
extern PyType_Spec vel_board_type_spec;
extern PyType_Spec vel_metric_type_spec;
extern PyType_Spec vel_admin_type_spec;
extern PyType_Spec vel_start_response_type_spec;
extern PyType_Spec vel_write_type_spec;
extern PyType_Spec vel_input_type_spec;
extern PyType_Spec vel_stream_type_spec;
extern PyType_Spec vel_errors_type_spec;
extern PyType_Spec vel_file_wrapper_type_spec;
extern PyType_Spec vel_driver_type_spec;
extern PyType_Spec vel_done_type_spec;
extern PyType_Spec vel_asgi_call_type_spec;
extern PyType_Spec vel_router_type_spec;
extern PyType_Spec vel_match_type_spec;
extern PyType_Spec vel_plan_type_spec;
extern PyType_Spec vel_core_type_spec;
extern PyType_Spec vel_native_call_type_spec;
extern PyType_Spec vel_request_type_spec;
extern PyType_Spec vel_sink_type_spec;
extern PyType_Spec vel_file_body_type_spec;
extern PyType_Spec vel_file_parts_type_spec;
extern PyType_Spec vel_static_type_spec;
