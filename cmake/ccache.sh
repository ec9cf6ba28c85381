#!/bin/sh
# Compiler launcher: a ccache that knows the objects of one checkout in any other, through the precompiled header.
#
# A precompiled header holds absolute paths, so each build folder compiles its own. What ccache compares for the units that use it is the file
# written beside it here: the checksum of its preprocessed text (CCACHE_PCH_EXTSUM). Paths in a unit's command are made relative: below the
# checkout by ccache (CCACHE_BASEDIR), below the build folder here, since ccache does not look behind -Xclang.
export CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime CCACHE_PCH_EXTSUM=1

case " $* " in
  *" c++-header "*)
    CCACHE_BASEDIR='' ccache "$@" || exit
    for argument; do
      shift
      case $argument in *.pch | *.gch) header=$argument ;; -emit-pch) argument=-E ;; esac
      set -- "$@" "$argument"
    done
    sum=$("$@" -E -P -o - | sha256sum) && echo "$sum" >"$header.sum"
    ;;
  *)
    for argument; do
      shift
      set -- "$@" "${argument#"$PWD"/}"
    done
    exec ccache "$@"
    ;;
esac
