#include "retort/base/interrupt.h"

#include <csignal>

#include <unistd.h>

namespace retort {

static volatile std::sig_atomic_t requests = 0;

static void on_signal(int number) {
  if (requests) ::_exit(128 + number);
  requests = 1;
}

void install_interrupt_handler() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  std::signal(SIGXFSZ, SIG_IGN);  // a file-size limit is an error of write(), reported like a full disk
}

bool interrupt_requested() { return requests != 0; }

void clear_interrupt() { requests = 0; }

}  // namespace retort
