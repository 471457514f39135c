/* The physical limit: rooms in C on epoll, one send per client and turn of the loop for everything that waits.
 *
 *   cc -O2 -o coalescing coalescing.c && ./coalescing PORT_FILE
 *
 * It speaks as much Socket.IO as rtload asks for (connect, join, publish, ping in /chat), keeps nothing, checks
 * nothing, and pushes publications of the same shape and size as rt-service does. Not a server to put anywhere. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST 20000
#define NS "/chat,"

typedef struct {
    int fd, dirty, blocked, up;
    char *in, *out;
    size_t in_len, in_cap, out_at, out_len, out_cap;
} client;

static client *clients[MOST];       /* by file descriptor */
static int members[MOST], n_members, dirty[MOST], n_dirty, ep;
static unsigned long offset;

static void watch(client *c, int op, uint32_t events) {
    struct epoll_event e = {.events = events, .data.fd = c->fd};
    epoll_ctl(ep, op, c->fd, &e);
}

static void end(client *c) {
    for (int i = 0; i < n_members; i++)
        if (members[i] == c->fd) members[i--] = members[--n_members];
    for (int i = 0; i < n_dirty; i++)
        if (dirty[i] == c->fd) dirty[i--] = dirty[--n_dirty];
    clients[c->fd] = NULL;
    close(c->fd);
    free(c->in);
    free(c->out);
    free(c);
}

static void put(client *c, const char *data, size_t n) {
    if (c->out_len + n > c->out_cap) {
        c->out_cap = (c->out_len + n) * 2;
        c->out = realloc(c->out, c->out_cap);
        if (!c->out) exit(1);
    }
    memcpy(c->out + c->out_len, data, n);
    c->out_len += n;
    if (!c->dirty && !c->blocked) {
        c->dirty = 1;
        dirty[n_dirty++] = c->fd;
    }
}

static size_t head(unsigned char *q, size_t n) {
    q[0] = 0x81;
    if (n < 126) return q[1] = (unsigned char)n, 2;
    q[1] = 126, q[2] = (unsigned char)(n >> 8), q[3] = (unsigned char)n;
    return 4;
}

static void say(client *c, const char *text, size_t n) {
    unsigned char h[4];
    put(c, (char *)h, head(h, n));
    put(c, text, n);
}

static int flush(client *c) {
    while (c->out_at < c->out_len) {
        ssize_t sent = send(c->fd, c->out + c->out_at, c->out_len - c->out_at, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            if (!c->blocked) watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
            c->blocked = 1;
            return 1;
        }
        if (sent < 0) return 0;
        c->out_at += (size_t)sent;
    }
    c->out_at = c->out_len = 0;
    if (c->blocked) watch(c, EPOLL_CTL_MOD, EPOLLIN);
    c->blocked = 0;
    return 1;
}

static void publish(client *from, const char *data, size_t n) {
    static char frame[1 << 17];
    char text[1 << 16];
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    size_t len = (size_t)snprintf(text, sizeof text,
        "42" NS "[\"m\",{\"room\":\"r\",\"event\":\"m\",\"data\":\"%.*s\",\"from\":{\"kind\":\"user\",\"id\":\"anon-%012d\"},"
        "\"id\":\"%020lu\",\"offset\":%lu,\"at\":%ld}]", (int)n, data, from->fd, offset, offset + 1,
        (long)t.tv_sec * 1000 + t.tv_nsec / 1000000);
    offset++;
    size_t h = head((unsigned char *)frame, len);
    memcpy(frame + h, text, len);
    for (int i = 0; i < n_members; i++) put(clients[members[i]], frame, h + len);
}

static void packet(client *c, char *p, size_t n) {
    char *last = p + n, answer[256];
    if (n >= 2 && p[0] == '4' && p[1] == '0') {
        static const char connected[] = "40" NS "{\"sid\":\"0123456789\"}";
        say(c, connected, sizeof connected - 1);
        return;
    }
    char *body = memchr(p, '[', n), *comma = memchr(p, ',', n);
    if (!body || !comma || p[0] != '4') return;
    if (!memcmp(body, "[\"join\"", 7)) members[n_members++] = c->fd;
    if (!memcmp(body, "[\"publish\"", 10)) {
        char *data = memmem(body, (size_t)(last - body), "\"data\":\"", 8);
        if (data) publish(c, data + 8, (size_t)(last - data - 8 - 3));
    }
    if (body > comma + 1) {
        int k = snprintf(answer, sizeof answer, "43" NS "%.*s[{\"ok\":true,\"at\":1700000000000}]",
                         (int)(body - comma - 1), comma + 1);
        say(c, answer, (size_t)k);
    }
}

static int feed(client *c) {
    size_t at = 0;
    if (!c->up) {
        char *stop = memmem(c->in, c->in_len, "\r\n\r\n", 4);
        if (!stop) return 1;
        /* rtload does not check Sec-WebSocket-Accept, so it is not worked out. */
        static const char hello[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
        static const char open[] = "0{\"sid\":\"x\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":65536}";
        put(c, hello, sizeof hello - 1);
        say(c, open, sizeof open - 1);
        c->up = 1;
        at = (size_t)(stop + 4 - c->in);
    }
    while (c->in_len - at >= 6) {
        unsigned char *f = (unsigned char *)c->in + at;
        size_t n = f[1] & 127, h = 2;
        if (n == 126) n = (size_t)f[2] << 8 | f[3], h = 4;
        if (n == 127 || (f[0] & 15) == 8) return 0;
        if (c->in_len - at < h + 4 + n) break;
        unsigned char *key = f + h, *p = key + 4;
        for (size_t i = 0; i < n; i++) p[i] ^= key[i & 3];
        packet(c, (char *)p, n);
        at += h + 4 + n;
    }
    memmove(c->in, c->in + at, c->in_len - at);
    c->in_len -= at;
    return 1;
}

static int receive(client *c) {
    if (c->in_cap - c->in_len < 65536) {
        c->in_cap = c->in_len + 131072;
        c->in = realloc(c->in, c->in_cap);
        if (!c->in) exit(1);
    }
    ssize_t got = recv(c->fd, c->in + c->in_len, 65536, 0);
    if (got <= 0) return got < 0 && errno == EAGAIN;
    c->in_len += (size_t)got;
    int alive = feed(c);
    if (!c->in_len) free(c->in), c->in = NULL, c->in_cap = 0;
    return alive;
}

static void welcome(int listener) {
    int fd, one = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        if (fd >= MOST) { close(fd); continue; }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        client *c = clients[fd] = calloc(1, sizeof *c);
        if (!c) exit(1);
        c->fd = fd;
        watch(c, EPOLL_CTL_ADD, EPOLLIN);
    }
}

int main(int argc, char **argv) {
    if (argc != 2) return fprintf(stderr, "usage: coalescing PORT_FILE\n"), 2;
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    if (bind(listener, (struct sockaddr *)&a, size) || listen(listener, 4096)) return perror("coalescing"), 1;
    getsockname(listener, (struct sockaddr *)&a, &size);
    FILE *file = fopen(argv[1], "w");
    if (!file) return perror(argv[1]), 1;
    fprintf(file, "%d", ntohs(a.sin_port));
    fclose(file);
    ep = epoll_create1(0);
    struct epoll_event e = {.events = EPOLLIN, .data.fd = listener}, ready[512];
    epoll_ctl(ep, EPOLL_CTL_ADD, listener, &e);
    for (;;) {
        int n = epoll_wait(ep, ready, 512, -1);
        for (int i = 0; i < n; i++) {
            client *c = ready[i].data.fd == listener ? NULL : clients[ready[i].data.fd];
            if (ready[i].data.fd == listener) welcome(listener);
            else if (c && (ready[i].events & EPOLLOUT) && !flush(c)) end(c);
            else if (c && (ready[i].events & ~(uint32_t)EPOLLOUT) && !receive(c)) end(c);
        }
        for (int i = 0; i < n_dirty; i++) clients[dirty[i]]->dirty = 0;
        int waiting = n_dirty;
        n_dirty = 0;
        for (int i = 0; i < waiting; i++)
            if (clients[dirty[i]] && !flush(clients[dirty[i]])) end(clients[dirty[i]]);
    }
}
