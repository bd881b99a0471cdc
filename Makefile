# blksim: build, run, test.  `make help` lists the targets.
#
# Sources are found by globbing, so a new file or folder needs no line here: every .c in ROOMS goes
# into a library, app/*.c makes the program, each FOO_test.c makes its own cmocka program.
#
#   make CONFIG=asan all    another build; each has its own folder build/CONFIG
#   make V=1                show the commands
#   make -j1                one job at a time (the default is one a processor)

CONFIG ?= release
PREFIX ?= /usr/local
DESTDIR ?=
ARGS ?=
JOBS ?= $(shell nproc)
FUZZ_SECONDS ?= 60
SEEDS ?= 1..2000
# Where jobs are at work: each case also passes under any schedule.
JOB_SUITES := amend backup bitmap commit copy-before-write create drive-backup drive-mirror \
	fleecing job mirror oracle pairs race snapshot-access stream transaction
MAKEFLAGS += --no-print-directory --no-builtin-rules
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(JOBS)
endif

# --- Configurations: compiler and flags of each build/CONFIG.

ifeq ($(origin CC),default)
CC := $(if $(filter clang fuzz,$(CONFIG)),clang,gcc)
endif
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
# Whole-program optimisation for the program; unit tests are linked from the same objects without.
FLAGS_release := -O2 -g -flto=auto -ffat-lto-objects
FLAGS_clang := -O2 -g
# With the coroutines of machines that have no switch of their own (sim/co.c).
FLAGS_debug := -O0 -g -DCO_UCONTEXT
FLAGS_asan := -O1 -g $(SANITIZE)
FLAGS_cov := -O0 -g --coverage
FLAGS_canary := -O1 -g -DBLKSIM_CANARY_TIME_LEAK
FLAGS_fuzz := -O1 -g $(SANITIZE) -fsanitize=fuzzer-no-link
LINK_asan := $(SANITIZE)
LINK_fuzz := $(SANITIZE)
# Workers leave by _exit: ci/gcov_exit.c writes their counters first.
LINK_cov := --coverage -Wl,--wrap=_exit build/cov/ci/gcov_exit.o
CONFIGS := release clang debug asan cov canary fuzz
$(if $(filter $(CONFIG),$(CONFIGS)),,$(error CONFIG=$(CONFIG) is none of: $(CONFIGS)))

PACKAGES := jansson sqlite3 libxxhash zlib
PKG_CFLAGS := $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
PKG_LIBS := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null || \
	echo -ljansson -lsqlite3 -lxxhash -lz)
# Optional: io of `--target qsd`.
ifneq ($(shell pkg-config --exists libnbd 2>/dev/null && echo yes),)
PKG_CFLAGS += -DHAVE_LIBNBD $(shell pkg-config --cflags libnbd)
PKG_LIBS += $(shell pkg-config --libs libnbd)
endif
# Optional: x-debug-block-dirty-bitmap-sha256.
ifneq ($(shell pkg-config --exists nettle 2>/dev/null && echo yes),)
PKG_CFLAGS += -DHAVE_NETTLE $(shell pkg-config --cflags nettle)
PKG_LIBS += $(shell pkg-config --libs nettle)
endif
WARNINGS := -Wall -Wextra -Wpedantic -Wmissing-prototypes -Wshadow -Werror
COMPILE = $(CC) -std=gnu11 -D_GNU_SOURCE -I. $(WARNINGS) $(FLAGS_$(CONFIG)) $(PKG_CFLAGS) \
	$(CPPFLAGS) $(CFLAGS)
NAMELESS = '-ffile-prefix-map=$(CURDIR)=.'
LINK = $(CC) $(FLAGS_$(CONFIG)) -Wl,--build-id=sha1 $(LDFLAGS)

# --- What there is to build.

B := build/$(CONFIG)
ROOMS := base sim model drivers oracles scenarios reports
LIB_SRCS := $(sort $(foreach room,$(ROOMS),$(foreach depth,* */* */*/*, \
	$(wildcard $(room)/$(depth).c $(room)/$(depth).S))))
APP_SRCS := $(sort $(wildcard app/*.c))
TEST_SRCS := $(filter %_test.c,$(LIB_SRCS) $(APP_SRCS))
LIB_SRCS := $(filter-out %_test.c,$(LIB_SRCS))
APP_SRCS := $(filter-out %_test.c,$(APP_SRCS))
object = $(addprefix $(B)/,$(addsuffix .o,$(basename $(1))))
LIB_OBJS := $(call object,$(LIB_SRCS))
APP_OBJS := $(call object,$(APP_SRCS))
TEST_OBJS := $(call object,$(TEST_SRCS))
EXTRA_OBJS := $(filter %.o,$(LINK_$(CONFIG)))
TESTS := $(TEST_SRCS:%.c=$(B)/test/%)
LIB := $(B)/libblksim.a
BLKSIM := $(B)/blksim

ifeq ($(V),)
Q := @
say = @printf '  %-5s %s\n' $(1) '$(2)'
endif

.PHONY: help all tests run diff diff-random pairs schedules test unit asan clang coverage bench \
	hotpath determinism fuzz tidy format compdb install clean FORCE
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
	@echo "  CONFIG= one of: $(CONFIGS); V=1 shows commands"

all: $(BLKSIM) $(if $(filter release,$(CONFIG)),build/blksim) ## Build build/CONFIG/blksim

tests: $(TESTS) ## Build the unit tests

# --- Build rules.

$(B)/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(COMPILE) $(NAMELESS) -MMD -MP -c -o $@ $<

$(B)/%.o: %.S $(B)/flags
	@mkdir -p $(@D)
	$(call say,AS,$<)
	$(Q)$(COMPILE) $(NAMELESS) -MMD -MP -c -o $@ $<

$(LIB): $(LIB_OBJS) $(B)/sources
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $(LIB_OBJS)

$(BLKSIM): $(APP_OBJS) $(LIB) $(EXTRA_OBJS) $(B)/sources
	$(call say,LD,$@)
	$(Q)$(LINK) -o $@ $(APP_OBJS) $(LIB) $(LINK_$(CONFIG)) $(PKG_LIBS) $(LDLIBS)

# A test of app/ is linked with the other objects of app/, without its main().
$(B)/test/app/%: $(B)/app/%.o $(APP_OBJS) $(LIB) $(EXTRA_OBJS)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(LINK) -fno-lto -o $@ $< $(filter-out %/main.o,$(APP_OBJS)) $(LIB) \
		$(LINK_$(CONFIG)) -lcmocka $(PKG_LIBS) $(LDLIBS)

$(B)/test/%: $(B)/%.o $(LIB) $(EXTRA_OBJS)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(LINK) -fno-lto -o $@ $< $(LIB) $(LINK_$(CONFIG)) -lcmocka $(PKG_LIBS) $(LDLIBS)

$(B)/fuzz_qmp: ci/fuzz_qmp.c $(LIB)
	$(call say,LD,$@)
	$(Q)$(COMPILE) -fsanitize=fuzzer -o $@ $< $(LIB) $(PKG_LIBS) $(LDLIBS)

$(B)/fuzz_seed: ci/fuzz_seed.c $(LIB)
	$(call say,LD,$@)
	$(Q)$(COMPILE) -o $@ $< $(LIB) $(PKG_LIBS) $(LDLIBS)

build/blksim: build/release/blksim
	@ln -sf release/blksim $@

# Written only when they change: other flags recompile all, a removed source makes the library new.
stamp = mkdir -p $(@D) && echo '$(1)' >$@.new && \
	if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
$(B)/flags: FORCE
	@$(call stamp,$(COMPILE) / $(LINK) $(LINK_$(CONFIG)) $(PKG_LIBS))
$(B)/sources: FORCE
	@$(call stamp,$(LIB_SRCS) $(APP_SRCS))
FORCE:

.SECONDARY: $(TEST_OBJS)
-include $(patsubst %.o,%.d,$(LIB_OBJS) $(APP_OBJS) $(TEST_OBJS) $(EXTRA_OBJS))

# --- Run and test.

# The real input of suites/real; without e2fsprogs (exit status 77) its cases are skipped.
build/real/ext4.img: scenarios/suites/real/make_ext4.sh
	$(Q)$< $@ >/dev/null || [ $$? -eq 77 ]

run: ## Build, run the whole suite, print a summary, write results.db
	@ci/deps run
	@$(MAKE) all build/real/ext4.img
	@$(BLKSIM) run -j$(JOBS) --db results.db $(ARGS)

diff: ## Compare all suites with the installed QEMU; write docs/agreement.md, build/diff.db
	@ci/deps test
	@$(MAKE) all build/real/ext4.img
	@$(BLKSIM) diff -j$$((2 * $(JOBS))) --db build/diff.db --summary \
		--markdown docs/agreement.md $(ARGS) scenarios/suites

schedules: ## Run the suites of jobs under random schedules (SEEDS=1..2000)
	@$(MAKE) all
	@$(BLKSIM) run -q -j$(JOBS) --seeds $(SEEDS) $(ARGS) $(JOB_SUITES:%=scenarios/suites/%)

pairs: ## Write docs/job-pairs.md: which jobs may run side by side
	@$(MAKE) all
	@rm -f build/pairs.db
	@$(BLKSIM) run -q -j$(JOBS) --log all --db build/pairs.db scenarios/suites/pairs
	@ci/pairs build/pairs.db docs/job-pairs.md

diff-random: ## Compare random commands (SEEDS=1..2000) with the installed QEMU
	@ci/deps test
	@$(MAKE) all
	@$(BLKSIM) diff -j$(JOBS) --random $(SEEDS) $(ARGS)

test: ## Everything a change must pass: tidy, unit tests, suites, with and without sanitizers
	@ci/deps test
	+@MAKE='$(MAKE)' JOBS=$(JOBS) ci/test

unit: tests ## Build and run the unit tests
	@ci/unit -j$(JOBS) $(B) $(TESTS)

asan: ## Build with ASan and UBSan, run unit tests and suites
	@$(MAKE) CONFIG=asan all unit build/real/ext4.img
	@build/asan/blksim run -j$(JOBS) $(ARGS)

clang: ## Build everything with clang, run the unit tests
	@$(MAKE) CONFIG=clang all unit

coverage: ## Line coverage by unit tests and suites; fails under 90 % of sim/ and model/
	@ci/deps test
	@$(MAKE) CONFIG=cov all tests build/real/ext4.img
	@JOBS=$(JOBS) ci/coverage $(TESTS:$(B)/%=build/cov/%)

bench: all ## Measure against qemu-img bench and the floors of each figure
	@$(BLKSIM) bench $(ARGS)

hotpath: all ## Show that a warm request neither allocates nor makes a system call
	@mkdir -p build/test
	$(Q)$(CC) -O1 -shared -fPIC -o build/test/count_malloc.so ci/count_malloc.c
	@ci/hot_path $(BLKSIM) build/test/count_malloc.so

fuzz: ## Fuzz the QMP reader, dispatcher and option parsers for FUZZ_SECONDS
	@ci/deps test
	@$(MAKE) CONFIG=fuzz build/fuzz/fuzz_qmp build/fuzz/fuzz_seed
	@JOBS=$(JOBS) ci/fuzz build/fuzz $(FUZZ_SECONDS) $(ARGS)

determinism: build/real/ext4.img ## The same trace hashes whatever the host does
	@ci/deps test
	+@MAKE='$(MAKE)' JOBS=$(JOBS) ci/determinism $(ARGS)

tidy: $(LIB_OBJS) ## Check layers, sizes, bans, registrations and dead files, and the checker itself
	@ci/tidy --objects $(B)
	@ci/tidy_test

format: ## Run clang-format over all C files
	@clang-format -i $(wildcard $(addsuffix /*.[ch],$(ROOMS) app) \
		$(addsuffix /*/*.[ch],$(ROOMS)))

compdb: ## Write compile_commands.json for editors
	@{ sep='['; for f in $(LIB_SRCS) $(APP_SRCS) $(TEST_SRCS); do \
	    printf '%s\n{"directory": "%s", "file": "%s", "command": "%s -c %s"}' \
	        "$$sep" '$(CURDIR)' "$$f" '$(COMPILE)' "$$f"; sep=,; \
	done; printf '\n]\n'; } >compile_commands.json

install: all ## Install program, manual pages and suites (PREFIX, DESTDIR)
	install -D -m 755 $(BLKSIM) $(DESTDIR)$(PREFIX)/bin/blksim
	for f in $(wildcard docs/*.1); do \
	    install -D -m 644 $$f $(DESTDIR)$(PREFIX)/share/man/man1/$${f##*/} || exit 1; done
	(cd scenarios && find suites -type f) | while read -r f; do \
	    install -D -m 644 scenarios/$$f $(DESTDIR)$(PREFIX)/share/blksim/$$f || exit 1; done

clean: ## Remove everything that was built
	rm -rf $(addprefix build/,$(CONFIGS)) build/blksim build/test build/real \
		build/determinism build/diff.db* compile_commands.json
