/* Preloaded into a process, it moves the clock on the wall, and no other one, or refuses memory, as a file says.
 *
 * libfaketime is not used: it misreads the absolute monotonic times of Python's sleep, which then fails or lasts a day.
 * Nor is RLIMIT_AS: a worker that has trained once asks the system for no more memory.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* seconds: by which the clock is wrong. refused: the process that gets no large block of memory, or 0. */
static const struct { int64_t seconds, refused; } right;
static const volatile __typeof__(right) *switches = &right;

__attribute__((constructor)) static void open_file(void) {
    const char *path = getenv("FAULTS_SWITCHES");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *page = mmap(NULL, sizeof *switches, PROT_READ, MAP_SHARED, file, 0);
    if (page != MAP_FAILED) switches = page;
    close(file);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = (int)syscall(SYS_clock_gettime, clock, now);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += switches->seconds;
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    int result = (int)syscall(SYS_gettimeofday, now, zone);
    if (result == 0) now->tv_sec += switches->seconds;
    return result;
}

time_t time(time_t *place) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (place) *place = now.tv_sec;
    return now.tv_sec;
}

/* Where torch gets the memory of its tensors on a CPU. */
int posix_memalign(void **block, size_t alignment, size_t size) {
    static int (*real)(void **, size_t, size_t);
    if (!real) real = (int (*)(void **, size_t, size_t))dlsym(RTLD_NEXT, "posix_memalign");
    return size >= 4096 && switches->refused == getpid() ? ENOMEM : real(block, alignment, size);
}
