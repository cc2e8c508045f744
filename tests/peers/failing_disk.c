/* A disk that fails when it is told to: counts the operations on files below a folder and lets some of them fail. Preloaded into
 * the program under test (LD_PRELOAD), which knows nothing of it. Takes its orders from the environment:
 *
 *   FAULT_ROOT   folder, absolute
 *   FAULT_LOG    file that is told of every operation (while FAULT_AT is 0) or of those that failed: "number operation path"
 *   FAULT_AT     number of the operation that fails, from 1; 0 = none
 *   FAULT_FOR    how many fail from there on; 1 without it
 *   FAULT_KIND   eio, enospc; short: half of the bytes are written, and no room is left for the rest;
 *                nosync: nothing fails, and no sync does anything either;
 *                hang: nothing fails, and every sync waits as long as the file FAULT_WHILE is there;
 *                dead: nothing fails, and every operation waits so, from number FAULT_AT on; reading is one too;
 *                record: nothing fails, and FAULT_LOG is given all that changes what would be there after a power cut, bytes included, as it was
 *                done (`struct kept`); `sync` of the whole machine is only put down, so that it costs nothing
 *
 * Beside that, sectors that cannot be read: FAULT_READ is a file, absolute; reading bytes FAULT_FROM to FAULT_TO of it gives EIO, and a read that
 * begins before them ends there.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { EIO_, ENOSPC_, SHORT, NOSYNC, HANG, DEAD, RECORD };

static const char *root;
static size_t root_len;
static int log_fd = -1;
static unsigned long at, until, done;
static enum kind kind;
static const char *hang_while;

static const char *bad;
static off64_t bad_from, bad_to;

#define REAL(name) __typeof__(name) *real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void begin(void) {
    const char *log = getenv("FAULT_LOG"), *name = getenv("FAULT_KIND"), *n = getenv("FAULT_AT"), *many = getenv("FAULT_FOR");
    const char *from = getenv("FAULT_FROM"), *to = getenv("FAULT_TO");
    bad = getenv("FAULT_READ");
    bad_from = from ? atoll(from) : 0;
    bad_to = to ? atoll(to) : 0;
    root = getenv("FAULT_ROOT");
    if (!root || !log) return;
    root_len = strlen(root);
    at = n ? strtoul(n, NULL, 10) : 0;
    until = at + (many ? strtoul(many, NULL, 10) : 1);
    kind = !name || !strcmp(name, "eio") ? EIO_ : !strcmp(name, "enospc") ? ENOSPC_ : !strcmp(name, "short") ? SHORT : !strcmp(name, "hang") ? HANG : !strcmp(name, "dead") ? DEAD : !strcmp(name, "record") ? RECORD : NOSYNC;
    hang_while = getenv("FAULT_WHILE");
    log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

static int below(const char *path) {
    return root && log_fd >= 0 && path && !strncmp(path, root, root_len) && (path[root_len] == '/' || !path[root_len]);
}

static void tell(unsigned long n, const char *what, const char *path) {
    char line[4400];
    int size = snprintf(line, sizeof line, "%lu %s %s\n", n, what, path);
    REAL(write);
    if (size > 0 && real(log_fd, line, (size_t)size) < 0) abort();
}

/* A disk that does not answer. */
static void wait_for_it(void) {
    int saved = errno;
    while (hang_while && !access(hang_while, F_OK)) usleep(10000);
    errno = saved;
}

/* 0: it goes through. 1: half of it. -1: it fails, and errno says how. */
static int turn(const char *what, const char *path) {
    if (!below(path)) return 0;
    if (kind == NOSYNC || kind == HANG || kind == RECORD) return 0;
    if (kind == DEAD) {
        unsigned long n = __atomic_add_fetch(&done, 1, __ATOMIC_SEQ_CST);
        if (n == at) tell(n, what, path);
        if (n >= at) wait_for_it();
        return 0;
    }
    unsigned long n = __atomic_add_fetch(&done, 1, __ATOMIC_SEQ_CST);
    if (at == 0) tell(n, what, path);
    if (at == 0 || n < at) return 0;
    int half = kind == SHORT && n == at && strstr(what, "write");
    /* What is short once finds no room the next time. */
    if (n >= until && !(kind == SHORT && n < until + 1)) return 0;
    tell(n, what, path);
    errno = kind == EIO_ ? EIO : ENOSPC;
    return half ? 1 : -1;
}

static const char *path_of(int fd, char *path, size_t size) {
    char link[64];
    if ((!bad && (!root || log_fd < 0)) || fd == log_fd) return NULL;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t got = readlink(link, path, size - 1);
    if (got < 0) return NULL;
    path[got] = 0;
    return path;
}

/* One change, followed by `names` bytes (for a rename the second name stands behind a slash) and `size` bytes of what was written. Files and folders go
 * by their inode: names change. */
struct kept {
    char what; /* write, truncate, sync, all synced (a), create, make a folder, unlink, rename */
    char pad;
    uint16_t names;
    uint32_t size;
    uint64_t file, folder, to_folder, where;
};

static int recording(const char *path) { return kind == RECORD && below(path); }

static void keep(struct kept *one, const char *names, const void *bytes) {
    one->names = names ? (uint16_t)strlen(names) : 0;
    struct iovec parts[3] = {{one, sizeof *one}, {(void *)names, one->names}, {(void *)bytes, one->size}};
    REAL(writev);
    int saved = errno;
    if (real(log_fd, parts, 3) < 0) abort();
    errno = saved;
}

static uint64_t inode(const char *path) {
    struct stat about;
    return lstat(path, &about) ? 0 : about.st_ino;
}

static uint64_t inode_of(int fd) {
    struct stat about;
    return fstat(fd, &about) ? 0 : about.st_ino;
}

/* The folder of a path, and its last name. */
static uint64_t inside(const char *path, const char **name) {
    char folder[4096];
    const char *slash = strrchr(path, '/');
    *name = slash + 1;
    snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
    return inode(folder);
}

static ssize_t wrote(int fd, const void *from, off64_t where, ssize_t size) {
    char path[4096];
    if (kind != RECORD || size <= 0 || !recording(path_of(fd, path, sizeof path))) return size;
    if (where < 0) where = lseek64(fd, 0, SEEK_CUR) - size;
    struct kept one = {.what = 'w', .size = (uint32_t)size, .file = inode_of(fd), .where = (uint64_t)where};
    keep(&one, NULL, from);
    return size;
}

static ssize_t wrote_parts(int fd, const struct iovec *from, int count, off64_t where, ssize_t size) {
    if (kind != RECORD || size <= 0) return size;
    ssize_t left = size;
    if (where < 0) where = lseek64(fd, 0, SEEK_CUR) - size;
    for (int i = 0; i < count && left > 0; i++) {
        ssize_t part = left < (ssize_t)from[i].iov_len ? left : (ssize_t)from[i].iov_len;
        wrote(fd, from[i].iov_base, where, part);
        where += part;
        left -= part;
    }
    return size;
}

static int did(int result, char what, int fd, off64_t where) {
    char path[4096];
    if (kind != RECORD || result || !recording(path_of(fd, path, sizeof path))) return result;
    struct kept one = {.what = what, .file = inode_of(fd), .where = (uint64_t)where};
    keep(&one, NULL, NULL);
    return result;
}

static int did_name(int result, char what, const char *path, uint64_t file) {
    if (result || !recording(path)) return result;
    const char *name;
    struct kept one = {.what = what, .file = file};
    one.folder = inside(path, &name);
    keep(&one, name, NULL);
    return result;
}

#define ON_FD(what, fd) char path_[4096]; int saved_ = errno; int turn_ = turn(what, path_of(fd, path_, sizeof path_)); if (turn_ >= 0) errno = saved_

ssize_t write(int fd, const void *from, size_t size) {
    REAL(write);
    ON_FD("write", fd);
    return turn_ < 0 ? -1 : wrote(fd, from, -1, real(fd, from, turn_ && size > 1 ? size / 2 : size));
}

#define PWRITE(name, off) \
    ssize_t name(int fd, const void *from, size_t size, off where) { \
        REAL(name); \
        ON_FD("write", fd); \
        return turn_ < 0 ? -1 : wrote(fd, from, where, real(fd, from, turn_ && size > 1 ? size / 2 : size, where)); \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t writev(int fd, const struct iovec *from, int count) {
    REAL(writev);
    ON_FD("write", fd);
    return turn_ < 0 ? -1 : wrote_parts(fd, from, count, -1, real(fd, from, turn_ && count > 1 ? count / 2 : count));
}

#define PWRITEV(name, off) \
    ssize_t name(int fd, const struct iovec *from, int count, off where) { \
        REAL(name); \
        ON_FD("write", fd); \
        return turn_ < 0 ? -1 : wrote_parts(fd, from, count, where, real(fd, from, turn_ && count > 1 ? count / 2 : count, where)); \
    }
PWRITEV(pwritev, off_t)
PWRITEV(pwritev64, off64_t)

/* True where a sync of this file is only said to be done. */
static int pretended(int fd) {
    char path[4096];
    return kind == NOSYNC && below(path_of(fd, path, sizeof path));
}

static void hang(int fd) {
    char path[4096];
    if (kind == HANG && below(path_of(fd, path, sizeof path))) wait_for_it();
}

static void dead(int fd, const char *what) {
    char path[4096];
    int saved = errno;
    if (kind == DEAD) turn(what, path_of(fd, path, sizeof path));
    errno = saved;
}

static int said;

#define SYNC(name) \
    int name(int fd) { \
        REAL(name); \
        if (pretended(fd)) { \
            if (!__atomic_exchange_n(&said, 1, __ATOMIC_SEQ_CST)) tell(0, #name, "not done"); \
            return 0; \
        } \
        hang(fd); \
        ON_FD(#name, fd); \
        return turn_ ? -1 : did(real(fd), 's', fd, 0); \
    }
SYNC(fsync)
SYNC(fdatasync)
SYNC(syncfs)

void sync(void) {
    REAL(sync);
    if (kind != RECORD || log_fd < 0) return real();
    struct kept one = {.what = 'a'};
    keep(&one, NULL, NULL);
}

int sync_file_range(int fd, off64_t from, off64_t size, unsigned int flags) {
    REAL(sync_file_range);
    if (pretended(fd)) return 0;
    ON_FD("sync_file_range", fd);
    return turn_ ? -1 : real(fd, from, size, flags);
}

int msync(void *from, size_t size, int flags) {
    REAL(msync);
    return kind == NOSYNC ? 0 : real(from, size, flags);
}

#define TRUNCATE(name, off) \
    int name(int fd, off size) { \
        REAL(name); \
        ON_FD("ftruncate", fd); \
        return turn_ ? -1 : did(real(fd, size), 't', fd, size); \
    }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

#define ON_PATH(what, path) int saved_ = errno; int turn_ = turn(what, path); if (turn_ >= 0) errno = saved_

static mode_t mode_of(int flags, va_list more) {
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
}

/* What opening changes: a file that was not there, or one that is empty from now on. */
static int opened(int fd, const char *path, int flags, int there) {
    if (fd < 0 || kind != RECORD || (flags & O_TMPFILE) == O_TMPFILE) return fd;
    if (flags & O_CREAT && !there) did_name(0, 'c', path, inode_of(fd));
    if (flags & O_TRUNC && there) did(0, 't', fd, 0);
    return fd;
}

static int there(const char *path) {
    int saved = errno, found = kind == RECORD && !access(path, F_OK);
    errno = saved;
    return found;
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        REAL(name); \
        va_list more; \
        va_start(more, flags); \
        mode_t mode = mode_of(flags, more); \
        va_end(more); \
        ON_PATH("open", path); \
        int there_ = there(path); \
        return turn_ ? -1 : opened(real(path, flags, mode), path, flags, there_); \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name) \
    int name(int folder, const char *path, int flags, ...) { \
        REAL(name); \
        va_list more; \
        va_start(more, flags); \
        mode_t mode = mode_of(flags, more); \
        va_end(more); \
        ON_PATH("open", path); \
        return turn_ ? -1 : real(folder, path, flags, mode); \
    }
OPENAT(openat)
OPENAT(openat64)

/* How many bytes from there can be read; -1: the first cannot, and errno says so. */
static ssize_t readable(int fd, size_t size, off64_t where) {
    char path[4096];
    int saved = errno;
    const char *name = bad ? path_of(fd, path, sizeof path) : NULL;
    errno = saved;
    if (!name || strcmp(name, bad) || where >= bad_to || where + (off64_t)size <= bad_from) return (ssize_t)size;
    if (where < bad_from) return bad_from - where;
    errno = EIO;
    return -1;
}

#define PREAD(name, off) \
    ssize_t name(int fd, void *to, size_t size, off where) { \
        REAL(name); \
        dead(fd, "read"); \
        ssize_t most = readable(fd, size, where); \
        return most < 0 ? -1 : real(fd, to, (size_t)most, where); \
    }
PREAD(pread, off_t)
PREAD(pread64, off64_t)

ssize_t read(int fd, void *to, size_t size) {
    REAL(read);
    dead(fd, "read");
    int saved = errno;
    off64_t where = bad ? lseek64(fd, 0, SEEK_CUR) : -1;
    errno = saved;
    ssize_t most = where < 0 ? (ssize_t)size : readable(fd, size, where);
    return most < 0 ? -1 : real(fd, to, (size_t)most);
}

int rename(const char *from, const char *to) {
    REAL(rename);
    ON_PATH("rename", to);
    if (!recording(to)) return turn_ ? -1 : real(from, to);
    const char *name, *to_name;
    char names[600];
    struct kept one = {.what = 'r', .file = inode(from)};
    one.folder = inside(from, &name);
    one.to_folder = inside(to, &to_name);
    snprintf(names, sizeof names, "%s/%s", name, to_name);
    int result = real(from, to);
    if (!result) keep(&one, names, NULL);
    return result;
}

int unlink(const char *path) {
    REAL(unlink);
    ON_PATH("unlink", path);
    return turn_ ? -1 : did_name(real(path), 'u', path, 0);
}

int rmdir(const char *path) {
    REAL(rmdir);
    return did_name(real(path), 'u', path, 0);
}

int unlinkat(int folder, const char *name, int flags) {
    REAL(unlinkat);
    char path[4096];
    int result = real(folder, name, flags);
    if (kind != RECORD || result || *name == '/' || !recording(path_of(folder, path, sizeof path))) return result;
    struct kept one = {.what = 'u', .folder = inode_of(folder)};
    keep(&one, name, NULL);
    return result;
}

int mkdir(const char *path, mode_t mode) {
    REAL(mkdir);
    ON_PATH("mkdir", path);
    int result = turn_ ? -1 : real(path, mode);
    return recording(path) ? did_name(result, 'm', path, inode(path)) : result;
}

DIR *opendir(const char *path) {
    REAL(opendir);
    if (kind == DEAD) turn("list", path);
    return real(path);
}
