// The library in somebody else's process: what it leaves alone, and how it ends with it.
//
//   host [WAY]    with a way, the program is a child that ends in that way

#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <sys/wait.h>

extern char **environ;

static const char *self;

static qntx_embed_store *open_store(const char *file) {
  qntx_embed_store *store = NULL;
  WORKS(qntx_embed_store_open, str(file), NULL, &store);
  return store;
}

static void put_one(const qntx_embed_store *store, const char *source_id) {
  const float vector[] = {1, 0, 0};
  const qntx_embed_record record = {.size = sizeof(qntx_embed_record),
                                    .source_type = str("test"),
                                    .source_id = str(source_id),
                                    .text = str("the text"),
                                    .fingerprint = str("fingerprint"),
                                    .vector = vector,
                                    .dimensions = 3};
  WORKS(qntx_embed_store_put, store, &record, 1, NULL);
}

// ---- What it leaves alone

#ifdef __linux__
#define SIGNALS 64
#else
#define SIGNALS 31
#endif

static void handlers(struct sigaction *actions) {
  memset(actions, 0, (SIGNALS + 1) * sizeof *actions);
  for (int number = 1; number <= SIGNALS; number++) sigaction(number, NULL, &actions[number]);
}

static void it_touches_no_signal_environment_locale_or_directory(void) {
  struct sigaction before[SIGNALS + 1], after[SIGNALS + 1];
  sigset_t mask_before, mask_after;
  char directory_before[1024], directory_after[1024], locale_before[256];
  size_t variables = 0;
  while (environ[variables] != NULL) variables++;
  char **copies = calloc(variables, sizeof *copies);
  REQUIRE(copies != NULL);
  for (size_t i = 0; i < variables; i++) copies[i] = environ[i];
  handlers(before);
  pthread_sigmask(SIG_SETMASK, NULL, &mask_before);
  REQUIRE(getcwd(directory_before, sizeof directory_before) != NULL);
  snprintf(locale_before, sizeof locale_before, "%s", setlocale(LC_ALL, NULL));
  const mode_t umask_before = umask(0);
  umask(umask_before);

  qntx_embed_model *model = open_model(TINY);
  free(embed(model, str("a text")));
  qntx_embed_store *store = open_store(temporary("alone.db").text);
  put_one(store, "a");
  qntx_embed_model_free(model);
  qntx_embed_store_free(store);

  handlers(after);
  for (int number = 1; number <= SIGNALS; number++)
    CHECK_SAYS(before[number].sa_handler == after[number].sa_handler && before[number].sa_flags == after[number].sa_flags,
               "signal %d has another handler", number);
  pthread_sigmask(SIG_SETMASK, NULL, &mask_after);
  for (int number = 1; number <= SIGNALS; number++)
    CHECK_SAYS(sigismember(&mask_before, number) == sigismember(&mask_after, number), "the mask of signal %d", number);
  REQUIRE(getcwd(directory_after, sizeof directory_after) != NULL);
  CHECK(strcmp(directory_before, directory_after) == 0);
  CHECK(strcmp(locale_before, setlocale(LC_ALL, NULL)) == 0);
  CHECK(umask(umask_before) == umask_before);
  size_t now = 0;
  while (environ[now] != NULL) now++;
  CHECK(now == variables);
  for (size_t i = 0; i < variables && i < now; i++) CHECK_SAYS(copies[i] == environ[i], "variable %s", environ[i]);
  free(copies);
}

static void it_prints_nothing(void) {
  const path output = temporary("output");
  fflush(stdout);
  const int out = dup(1), err = dup(2), file = open(output.text, O_CREAT | O_RDWR | O_TRUNC, 0600);
  REQUIRE(out >= 0 && err >= 0 && file >= 0);
  dup2(file, 1);
  dup2(file, 2);
  qntx_embed_model *model = NULL;
  qntx_embed_error *error = NULL;
  const int opened = qntx_embed_model_open(str(TINY), NULL, &model, NULL);
  float vector[32];
  const int embedded = qntx_embed_embed(model, str("a text"), NULL, vector, 32, NULL, NULL);
  qntx_embed_model *none = NULL;
  const int refused = qntx_embed_model_open(str("/nowhere"), NULL, &none, &error);
  qntx_embed_error_free(error);
  qntx_embed_model_free(model);
  dup2(out, 1);
  dup2(err, 2);
  close(out);
  close(err);
  CHECK(opened == QNTX_EMBED_STATUS_OK && embedded == QNTX_EMBED_STATUS_OK && refused != QNTX_EMBED_STATUS_OK);
  const off_t printed = lseek(file, 0, SEEK_END);
  close(file);
  CHECK_SAYS(printed == 0, "%ld bytes on stdout or stderr", (long)printed);
}

// ---- How it ends

// Until the process ends; what ends with it may fail.
static void *embed_for_ever(void *model) {
  qntx_embed_status status;
  do {
    qntx_embed_str texts[64];
    float vectors[64 * 32];
    for (size_t i = 0; i < 64; i++) texts[i] = str("some words that take their time");
    status = qntx_embed_embed_batch(model, texts, 64, NULL, vectors, 64 * 32, NULL, NULL);
  } while (status == QNTX_EMBED_STATUS_OK);
  return NULL;
}

static void nap(long ms) { nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL); }

// What a child does: leaves with everything open, in one of several ways.
static int child(const char *way) {
  harness.runner = pthread_self();
  if (setjmp(harness.end_of_test) != 0) return 3;
  qntx_embed_model *model = open_model(TINY);
  qntx_embed_store *store = open_store(":memory:");
  put_one(store, "a");
  if (strcmp(way, "return") == 0) return 0;
  if (strcmp(way, "exit") == 0) exit(0);
  if (strcmp(way, "_exit") == 0) _exit(0);
  pthread_t thread;
  REQUIRE(pthread_create(&thread, NULL, embed_for_ever, model) == 0);
  nap(100);
  if (strcmp(way, "exit while embedding") == 0) exit(0);
  if (strcmp(way, "return while embedding") == 0) return 0;
  if (strcmp(way, "raise SIGTERM while embedding") == 0) raise(SIGTERM);
  return 4;
}

// Waits for a process, at most so long; what it ended with, or -1.
static int wait_for(pid_t pid, int seconds) {
  int status;
  for (int i = 0; i < seconds * 100; i++) {
    const pid_t ended = waitpid(pid, &status, WNOHANG);
    if (ended == pid) return status;
    if (ended < 0 && errno != EINTR) return -1;
    nap(10);
  }
  kill(pid, SIGKILL);
  waitpid(pid, &status, 0);
  return -1;
}

static int run_child(const char *way) {
  fflush(stdout);
  const pid_t pid = fork();
  REQUIRE(pid >= 0);
  if (pid == 0) {
    execl(self, self, way, (char *)NULL);
    _exit(126);
  }
  return wait_for(pid, 60);
}

static void a_process_may_end_with_everything_open(void) {
  static const char *const ways[] = {"return", "exit", "_exit", "exit while embedding", "return while embedding"};
  for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
    for (int again = 0; again < 20; again++) {
      const int status = run_child(ways[i]);
      CHECK_SAYS(status >= 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: status %x", ways[i], (unsigned)status);
    }
  const int status = run_child("raise SIGTERM while embedding");
  CHECK_SAYS(status >= 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM, "SIGTERM: status %x", (unsigned)status);
}

// ---- fork

static void a_fork_that_only_leaves_or_execs_harms_nobody(void) {
  const path file = temporary("fork.db");
  qntx_embed_model *model = open_model(TINY);
  qntx_embed_store *store = open_store(file.text);
  put_one(store, "before");
  fflush(stdout);
  const pid_t leaves = fork();
  REQUIRE(leaves >= 0);
  if (leaves == 0) _exit(7);
  int status = wait_for(leaves, 20);
  CHECK_SAYS(status >= 0 && WIFEXITED(status) && WEXITSTATUS(status) == 7, "_exit: status %x", (unsigned)status);
  const pid_t execs = fork();
  REQUIRE(execs >= 0);
  if (execs == 0) {
    execl("/bin/true", "true", (char *)NULL);
    _exit(126);
  }
  status = wait_for(execs, 20);
  CHECK_SAYS(status >= 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0, "exec: status %x", (unsigned)status);

  free(embed(model, str("afterwards")));
  put_one(store, "after");
  size_t count = 0;
  WORKS(qntx_embed_store_count, store, str(""), str(""), &count);
  CHECK(count == 2);
  qntx_embed_model_free(model);
  qntx_embed_store_free(store);
}

// ---- Again and again

static long resident_kb(void) {
  FILE *file = fopen("/proc/self/statm", "r");
  long pages = 0, ignored;
  if (file == NULL) return 0;
  if (fscanf(file, "%ld %ld", &ignored, &pages) != 2) pages = 0;
  fclose(file);
  return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void opening_and_closing_a_thousand_times_takes_no_memory(void) {
  const path file = temporary("again.db");
  long settled = 0;
  for (int i = 0; i < 1000; i++) {
    qntx_embed_model *model = open_model(TINY);
    free(embed(model, str("a text")));
    qntx_embed_store *store = open_store(i % 2 == 0 ? ":memory:" : file.text);
    put_one(store, "a");
    qntx_embed_store_free(store);
    qntx_embed_model_free(model);
    if (i == 200) settled = resident_kb();
  }
  const long end = resident_kb();
  // The allocator takes 2 MB at a time, once or twice. A leak of a model for each would be 95 MB, of two pages 6.4.
  CHECK_SAYS(end - settled < 800 * 8, "%ld KB after 200 times, %ld KB after 1,000", settled, end);
}

int main(int argc, char **argv) {
  self = argv[0];
  static const char *const ways[] = {"return", "exit", "_exit", "exit while embedding", "return while embedding",
                                     "raise SIGTERM while embedding"};
  for (size_t i = 0; argc > 1 && i < sizeof ways / sizeof *ways; i++)
    if (strcmp(argv[1], ways[i]) == 0) return child(ways[i]);
  TEST(it_touches_no_signal_environment_locale_or_directory);
  TEST(it_prints_nothing);
  TEST(a_process_may_end_with_everything_open);
  TEST(a_fork_that_only_leaves_or_execs_harms_nobody);
  TEST(opening_and_closing_a_thousand_times_takes_no_memory);
  return finish();
}
