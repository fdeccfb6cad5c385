/* System calls on stream sockets, with their many errors folded into few. */
#pragma once

#include "base/err.h"
#include "net/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* Accepts one connection, non-blocking and close-on-exec. Returns the descriptor; VEL_EAGAIN also when the peer was
 * gone before it was accepted (ECONNABORTED, EPROTO, errors of its network); VEL_ELIMIT when descriptors are used up
 * (EMFILE, ENFILE, ENOBUFS, ENOMEM); VEL_ESYS. peer may be NULL. */
int vel_sock_accept(int listener, union vel_addr *peer);

/* Bytes received (> 0), VEL_EOF, VEL_EAGAIN, VEL_ERESET. */
ssize_t vel_sock_read(int fd, char *at, size_t len);

/* Bytes sent (may be fewer), VEL_EAGAIN, VEL_ERESET. Never raises SIGPIPE. more: others follow at once (MSG_MORE). */
ssize_t vel_sock_write(int fd, const char *at, size_t len, bool more);
ssize_t vel_sock_writev(int fd, struct iovec *iov, size_t n, bool more);

/* From a regular file by sendfile(2), at offset, at most len. Bytes sent (> 0); VEL_EOF when the file has no more;
 * VEL_EAGAIN; VEL_ERESET; VEL_EINVAL when this file cannot be sent that way. Raises SIGPIPE as write(2) does: the
 * kernel takes no flag here, so the process must ignore that signal. */
ssize_t vel_sock_sendfile(int fd, int file, int64_t offset, size_t len);

/* The socket's pending error as errno has it, 0 when there is none; asking clears it. */
int vel_sock_error(int fd);

bool vel_sock_is_unix(int fd);

/* A listening TCP socket, whoever holds it, lets connections that are under way come to an end and no new ones begin:
 * their first packet is lost, and sent again by the client after a second, to whoever listens then. What waits for its
 * first bytes (TCP_DEFER_ACCEPT) waits no more once it has begun anew. False: the kernel lets this user set no filter,
 * and connections go on to begin. */
bool vel_sock_begin_no_more(int fd);

/* A listening socket refuses connections from now on, whoever holds it. What is in its queue can still be accepted if
 * it is a Unix socket, and is reset if not. */
void vel_sock_refuse(int fd);

/* Waits until writable: VEL_OK, VEL_EAGAIN after ms (-1: never), VEL_ERESET. Blocks. */
int vel_sock_wait_writable(int fd, int ms);

/* Bytes sent that the peer's kernel has not taken yet; 0 where that cannot be told. */
size_t vel_sock_untaken(int fd);

/* Ends the sending side. */
void vel_sock_shutdown(int fd);

/* Ends both sides for everyone who holds the socket, which close(2) does not: as by closing, or by RST. */
void vel_sock_end(int fd, bool reset);

/* The next close sends RST: the peer can tell that the answer is not whole. */
void vel_sock_reset_on_close(int fd);
