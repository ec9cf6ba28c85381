// SIGINT and SIGTERM ask long work to stop at its next safe point; a second one ends the program at once.
#pragma once

namespace retort {

void install_interrupt_handler();
bool interrupt_requested();
void clear_interrupt();  // for tests

}  // namespace retort
