/* Error numbers of the library: every function that can fail returns one of these, or says what else. */
#pragma once

enum vel_err {
    VEL_OK = 0,
    VEL_ENOMEM = -1, /* an allocation failed; nothing was changed */
    VEL_EAGAIN = -2, /* nothing could be done now; wait for the descriptor */
    VEL_EOF = -3,    /* the peer ended its side in order */
    VEL_ERESET = -4, /* the connection is lost (reset, broken pipe, timed out) */
    VEL_ESYS = -5,   /* a system call failed; errno says why */
    VEL_EINVAL = -6, /* the caller's value is not allowed */
    VEL_ELIMIT = -7, /* a configured limit was passed */
    VEL_ESTATE = -8, /* the call does not fit the state, as a second head */
};
