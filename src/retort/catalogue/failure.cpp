#include "retort/catalogue/failure.h"

#include <exception>
#include <new>

#include <c10/util/Exception.h>

#include "retort/base/error.h"

namespace retort {

Failure current_failure() {
  const auto first_line = [](const std::string& text) { return text.substr(0, text.find('\n')); };
  try {
    throw;
  } catch (const Error& error) {
    return {first_line(error.what()), first_line(error.hint()), error.exit_code()};
  } catch (const c10::Error& error) {
    return {"tensor operation failed: " + first_line(error.what_without_backtrace()),
            "this is a fault of retort; please report it with the recipe", 1};
  } catch (const std::bad_alloc&) {
    return {"out of memory", "use a smaller batch (train.batch) or a smaller net", 1};
  } catch (const std::exception& error) {
    return {first_line(error.what()), "this is a fault of retort; please report it with the recipe", 1};
  } catch (...) {
    return {"an unknown failure", "this is a fault of retort; please report it with the recipe", 1};
  }
}

}  // namespace retort
