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

demo: all ## run every lesson once, by itself, and show both sides of each conversation
	@$(PYTHON) scripts/demo --all

demo-%: all ## make demo-03: the classroom demo in tmux, step by step; ARGS=--plain: as a transcript
	@$(PYTHON) scripts/demo $* $(ARGS)

test: all ## run every test; SANITIZE=thread or address,undefined: with the programs so built
	@$(if $(BUILD),$(MAKE) --no-print-directory -s SANITIZE= all) # for the scripts' own tests
	@COURSE_BUILD=$(BUILD) $(PYTHON) tests/run.py $(if $(BUILD),test_0) # sanitized: what tests the lessons' programs

test-%: all ## make test-03: the tests of one lesson
	@COURSE_BUILD=$(BUILD) $(PYTHON) tests/run.py test_$(call number,$*)_

diff-%: ## make diff-03: what lesson 03's server changes in lesson 02's
	@$(PYTHON) scripts/check-lessons --diff $*

experiments: ## run every experiment: a belief about sockets a line, and whether it was settled
	@$(PYTHON) scripts/experiment --all

experiment-%: ## make experiment-backlog: ask for your prediction, run one, and say why
	@$(PYTHON) scripts/experiment $*

trace-%: all ## make trace-03: the system calls of both sides as a ladder; ARGS=--help: its options
	@$(PYTHON) scripts/trace $* $(ARGS)

compare: all ## C against Python: the four pairings of every lesson, briefly
	@$(PYTHON) scripts/compare --all

compare-%: all ## make compare-03: both sides, every byte; ARGS=--side-by-side: the files, too; ARGS=--help
	@$(PYTHON) scripts/compare $* $(ARGS)

watch-%: ## make watch-03: build and test lesson 03 whenever one of its files is saved
	@$(PYTHON) scripts/watch $*

doctor: ## say what on this machine keeps the course from working, and what to type
	@$(PYTHON) scripts/doctor

plot plot-06: 06 ## draw a run of lesson 06, queues and rates over time, with gnuplot: build/plot/
	@$(PYTHON) scripts/plot

check: all ## everything that CI runs: sanitizers, both compilers, formatting, the lessons' sameness
	@scripts/check

FUZZERS := $(patsubst tests/%.c,build/%,$(wildcard tests/fuzz/*.c))

fuzz: $(FUZZERS) ## build the fuzzers of the parsers and run each for 5 s; SECONDS=600: for longer
	@for fuzzer in $(FUZZERS); do \
		mkdir -p $$fuzzer-found; \
		$$fuzzer -max_total_time=$(or $(SECONDS),5) -timeout=10 -artifact_prefix=$$fuzzer- $$fuzzer-found \
			tests/fuzz/corpus/$$(basename $$fuzzer) >$$fuzzer.log 2>&1 \
			&& grep -H '^Done' $$fuzzer.log || { tail -50 $$fuzzer.log; exit 1; }; done

build/fuzz/%: tests/fuzz/%.c $(wildcard 04_http_get/*.c)
	@command -v clang >/dev/null || { echo "clang is missing: apt-get install clang"; exit 1; }
	@mkdir -p build/fuzz
	clang -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -pthread $< -o $@

docs-update: all ## rewrite the excerpts, diffs, transcripts and ladders on the pages
	@scripts/check-docs --update

clean: ## remove everything that make built
	@for lesson in $(LESSONS); do $(MAKE) --no-print-directory -C $$lesson clean; done
	rm -rf build

help: ## show this list
	@awk -F ':.*## ' '/^[a-z$$(][^:=]*:.*## / { sub(/\$$\(NUMBERS\)/, "01 02 ..."); \
		printf "  make %-18s %s\n", $$1, $$2 }' Makefile

.PHONY: all compare demo doctor plot plot-06 test experiments check clean help $(LESSONS) $(NUMBERS)
