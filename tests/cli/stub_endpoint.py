"""An endpoint for tests: a classifier, chat, completions, embeddings and batches on a port of its own, which it prints. It counts what it answers.

stub_endpoint.py LOG [--latency SECONDS] [--key KEY] [--batch-fails N]
LOG gets a line for each answered request: its path and the SHA-256 of its body. GET /counts gives {"path": [requests, different ones]}.
"""
import argparse, hashlib, json, math, re, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

options = argparse.ArgumentParser()
options.add_argument("log")
options.add_argument("--latency", type=float, default=0)
options.add_argument("--key", default="")
options.add_argument("--batch-fails", type=int, default=0, help="every so many-th request of a batch fails")
options.add_argument("--polls", type=int, default=2, help="so often a batch is still at work")
options = options.parse_args()
lock = threading.Lock()
seen, files, batches = {}, {}, {}
log = open(options.log, "a", buffering=1)


def number(text, below):
    return int(hashlib.sha256(text.encode()).hexdigest()[:12], 16) % below


def classify(body):
    rows = []
    for row in body["inputs"]:
        scores = [sum(x * math.sin(1 + 0.37 * i * (c + 1)) for i, x in enumerate(row)) / (1 + len(row)) for c in range(10)]
        top = max(scores)
        powers = [math.exp(s - top) for s in scores]
        rows.append([p / sum(powers) for p in powers])
    return {"probs": rows}


def chat(body):
    prompt = json.dumps(body.get("messages", body.get("prompt")), sort_keys=True)
    size = sum(len(m["content"].encode()) for m in body["messages"]) if "messages" in body else len(body["prompt"].encode())
    choices = []
    for n in range(body.get("n", 1)):
        text = "answer %d" % number(prompt + str(n), 1000)
        tokens = [{"token": t, "logprob": -0.1 * (1 + i), "top_logprobs": [{"token": t, "logprob": -0.1 * (1 + i)}, {"token": "?", "logprob": -4.0}]}
                  for i, t in enumerate(text.split())]
        choice = {"index": n, "finish_reason": "stop"}
        if "messages" in body:
            choice["message"] = {"role": "assistant", "content": text}
            if body.get("logprobs"):
                choice["logprobs"] = {"content": tokens}
        else:
            choice["text"] = text
        choices.append(choice)
    return {"object": "chat.completion", "model": body.get("model"), "choices": choices,
            "usage": {"prompt_tokens": size, "completion_tokens": 2 * len(choices), "total_tokens": size + 2 * len(choices)}}


def embed(body):
    texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
    return {"object": "list", "model": body.get("model"),
            "data": [{"index": i, "embedding": [number(t + str(k), 1000) / 1000 for k in range(6)]} for i, t in enumerate(texts)],
            "usage": {"prompt_tokens": sum(len(t.encode()) for t in texts), "total_tokens": 0}}


ANSWERS = {"/classify": classify, "/v1/chat/completions": chat, "/v1/completions": chat, "/v1/embeddings": embed}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *words):
        pass

    def reply(self, value, status=200):
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def allowed(self):
        if not options.key or self.headers.get("Authorization") == "Bearer " + options.key:
            return True
        self.reply({"error": {"message": "no such key"}}, 401)
        return False

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self.allowed():
            return
        if self.path in ANSWERS:
            time.sleep(options.latency)
            answer = ANSWERS[self.path](json.loads(body))
            digest = hashlib.sha256(body).hexdigest()
            with lock:
                seen.setdefault(self.path, []).append(digest)
                log.write("%s %s\n" % (self.path, digest))
            self.reply(answer)
        elif self.path == "/v1/files":
            mark = re.search(r"boundary=\"?([^\";]+)", self.headers["Content-Type"]).group(1).encode()
            for part in body.split(b"--" + mark):
                head, _, content = part.partition(b"\r\n\r\n")
                if b'name="file"' in head:
                    with lock:
                        name = "file-%d" % (len(files) + 1)
                        files[name] = content[:-2]
                    return self.reply({"id": name, "object": "file", "purpose": "batch"})
            self.reply({"error": {"message": "no file"}}, 400)
        elif self.path == "/v1/batches":
            asked = json.loads(body)
            with lock:
                name = "batch-%d" % (len(batches) + 1)
                batches[name] = {"id": name, "status": "in_progress", "polls": 0, **asked}
                log.write("/v1/batches %s\n" % name)
            self.reply(batches[name])
        else:
            self.reply({"error": {"message": "no such path"}}, 404)

    def do_GET(self):
        if self.path == "/counts":
            return self.reply({path: [len(all), len(set(all))] for path, all in seen.items()})
        if not self.allowed():
            return
        parts = self.path.split("?")[0].strip("/").split("/")
        if parts == ["v1", "batches"]:
            self.reply({"object": "list", "data": list(batches.values()), "has_more": False})
        elif parts[:2] == ["v1", "batches"] and parts[2] in batches:
            batch = batches[parts[2]]
            batch["polls"] += 1
            if batch["polls"] > options.polls and batch["status"] == "in_progress":
                self.finish_batch(batch)
            self.reply(batch)
        elif parts[:2] == ["v1", "files"] and parts[2] in files:
            self.reply(files[parts[2]])
        else:
            self.reply({"error": {"message": "no such path"}}, 404)

    def finish_batch(self, batch):
        good, bad = [], []
        for at, line in enumerate(files[batch["input_file_id"]].decode().splitlines(), 1):
            one = json.loads(line)
            if options.batch_fails and at % options.batch_fails == 0:
                bad.append(json.dumps({"custom_id": one["custom_id"], "response": {"status_code": 500, "body": {"error": {"message": "overloaded"}}}, "error": None}))
                continue
            body = ANSWERS[one["url"]](one["body"])
            good.append(json.dumps({"custom_id": one["custom_id"], "response": {"status_code": 200, "body": body}, "error": None}))
        with lock:
            files[batch["id"] + "-out"] = "\n".join(reversed(good)).encode() + b"\n"  # in any order
            files[batch["id"] + "-err"] = "\n".join(bad).encode() + b"\n"
            batch.update(status="completed", output_file_id=batch["id"] + "-out", error_file_id=batch["id"] + "-err",
                         request_counts={"total": len(good) + len(bad), "completed": len(good), "failed": len(bad)})


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, *request):  # a client that was killed
        pass


server = Server(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
