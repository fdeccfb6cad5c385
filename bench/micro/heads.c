/* Request heads for the micro benches, each at the start of a page: where a string lies can change a count. */
#include "micro.h"

#include <stdalign.h>

static const alignas(4096) char small[] = "GET / HTTP/1.1\r\n"
                                          "Host: 127.0.0.1:8000\r\n"
                                          "\r\n";

static const alignas(4096) char browser[] =
    "GET / HTTP/1.1\r\n"
    "Host: 127.0.0.1:8000\r\n"
    "Connection: keep-alive\r\n"
    "sec-ch-ua: \"Chromium\";v=\"130\", \"Google Chrome\";v=\"130\", \"Not?A_Brand\";v=\"99\"\r\n"
    "sec-ch-ua-mobile: ?0\r\n"
    "sec-ch-ua-platform: \"Linux\"\r\n"
    "Upgrade-Insecure-Requests: 1\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 "
    "Safari/537.36\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8\r\n"
    "Sec-Fetch-Site: same-origin\r\n"
    "Sec-Fetch-Mode: navigate\r\n"
    "Sec-Fetch-Dest: document\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    "Accept-Language: en-US,en;q=0.9\r\n"
    "Cookie: sessionid=q8fd1t6mpxv2k0z5r3h7w9yb4c1n6j8s; csrftoken=Zk3Vd9QmT1xRbY7uHc2Lf5Wg8Np0Sj4A; theme=dark\r\n"
    "\r\n";

const struct vel_slice micro_small_bytes = {small, sizeof(small) - 1};
const struct vel_slice micro_browser_bytes = {browser, sizeof(browser) - 1};
