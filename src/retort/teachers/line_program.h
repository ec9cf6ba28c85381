// A program that answers lines with lines: started once, spoken to over pipes, watched for what can go wrong.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace retort {

class LineProgram {
 public:
  // Starts it, found along PATH, in the folder where we are. Throws TeacherError where it cannot be started.
  LineProgram(std::vector<std::string> command, double timeout_seconds);
  ~LineProgram();  // closes its input, waits a moment, then ends it and whatever it started
  LineProgram(const LineProgram&) = delete;
  LineProgram& operator=(const LineProgram&) = delete;

  // Sends one line and waits for one, both without their ends. Throws TeacherError with the last lines of its stderr when it ended, closed a pipe, gave no
  // answer in time, or said more than it was asked; after that it is started anew with the next question.
  std::string ask(const std::string& line);
  // Throws TeacherError about what it answered, and ends it.
  [[noreturn]] void fail(const std::string& what, const std::string& hint = {});
  const std::string& name() const;  // its command, cut short

 private:
  struct Body;
  std::unique_ptr<Body> body_;
};

}  // namespace retort
