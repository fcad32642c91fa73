# The course's targets; `make help` lists them. GNU make 3.81 suffices.

LESSONS := $(sort $(patsubst %/Makefile,%,$(wildcard [0-9][0-9]_*/Makefile)))
NUMBERS := $(foreach lesson,$(LESSONS),$(firstword $(subst _, ,$(lesson))))
PYTHON  ?= python3
SANITIZE ?=
# sanitized programs live beside the plain ones, not in their place: build/thread/03_threaded/server
comma   := ,
BUILD   := $(if $(SANITIZE),build/$(firstword $(subst $(comma), ,$(SANITIZE))))
number   = $(firstword $(subst _, ,$(1)))
folder   = $(filter $(call number,$(1))_%,$(LESSONS))

export SANITIZE

all: $(LESSONS) ## build every lesson (the same as plain `make`)

$(LESSONS):
	@$(MAKE) --no-print-directory -C $@ $(if $(BUILD),OUT=../$(BUILD)/$@)

$(NUMBERS): ## make 03, make 03_threaded: build one lesson
	@$(MAKE) --no-print-directory $(call folder,$@)

demo: all ## run every lesson once and show both sides
	@$(PYTHON) scripts/demo --all

demo-%: all ## make demo-03: in class, in tmux; ARGS=--plain: a text
	@$(PYTHON) scripts/demo $* $(ARGS)

test: all ## run every test; SANITIZE=thread: sanitized
	@$(if $(BUILD),$(MAKE) --no-print-directory -s SANITIZE= all) # for the scripts' own tests
	@COURSE_BUILD=$(BUILD) $(PYTHON) tests/run.py $(if $(BUILD),test_0) # sanitized: what tests the lessons' programs

test-%: all ## make test-03: the tests of one lesson
	@COURSE_BUILD=$(BUILD) $(PYTHON) tests/run.py test_$(call number,$*)_

diff-%: ## make diff-03: what 03's server changes in 02's
	@$(PYTHON) scripts/check-lessons --diff $*

experiments: ## run every experiment, briefly: belief and truth
	@$(PYTHON) scripts/experiment --all

experiment-%: ## make experiment-backlog: predict, run one, see why
	@$(PYTHON) scripts/experiment $*

trace-%: all ## make trace-03: both sides' calls, drawn; ARGS=--help
	@$(PYTHON) scripts/trace $* $(ARGS)

compare: all ## C against Python in every lesson, briefly
	@$(PYTHON) scripts/compare --all

compare-%: all ## make compare-03: every byte; ARGS=--help: more
	@$(PYTHON) scripts/compare $* $(ARGS)

watch-%: ## make watch-03: build and test 03 at every save
	@$(PYTHON) scripts/watch $*

doctor: ## say what is missing here, and what to type
	@$(PYTHON) scripts/doctor

plot plot-06: 06 ## draw a run of lesson 06 with gnuplot, in build/plot
	@$(PYTHON) scripts/plot

bench: all ## how fast: 04 beside nginx, curl; ARGS=--quick
	@$(PYTHON) scripts/bench $(ARGS)

check: all ## everything that CI runs
	@scripts/check

FUZZERS := $(patsubst tests/%.c,build/%,$(wildcard tests/fuzz/*.c))

fuzz: $(FUZZERS) ## fuzz the parsers, 5 s each; SECONDS=600: for longer
	@for fuzzer in $(FUZZERS); do \
		mkdir -p $$fuzzer-found; \
		$$fuzzer -max_total_time=$(or $(SECONDS),5) -timeout=10 -artifact_prefix=$$fuzzer- $$fuzzer-found \
			tests/fuzz/corpus/$$(basename $$fuzzer) >$$fuzzer.log 2>&1 \
			&& grep -H '^Done' $$fuzzer.log || { tail -50 $$fuzzer.log; exit 1; }; done

build/fuzz/%: tests/fuzz/%.c $(wildcard 04_http_get/*.c)
	@command -v clang >/dev/null || { echo "clang is missing: apt-get install clang"; exit 1; }
	@mkdir -p build/fuzz
	clang -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -pthread $< -o $@

docs-update: all ## rewrite what the pages take from code and runs
	@echo "running all that the pages show: about a minute"
	@scripts/check-docs --update

clean: ## remove everything that make built
	@for lesson in $(LESSONS); do $(MAKE) --no-print-directory -C $$lesson clean; done
	rm -rf build

help: ## show this list
	@awk -F ':.*## ' '/^[a-z$$(][^:=]*:.*## / { sub(/\$$\(NUMBERS\)/, "01 02 ..."); \
		printf "  make %-18s %s\n", $$1, $$2 }' Makefile

.PHONY: all bench compare demo doctor plot plot-06 test experiments check clean help $(LESSONS) $(NUMBERS)
