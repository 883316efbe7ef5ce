using System.Text;
using System.Text.Json.Nodes;

namespace Llama.Bench.Fuzz;

/// <summary>Makes bad requests, and some that are good, of good ones. The same seed makes the same requests.</summary>
/// <param name="random">Says what to change.</param>
internal sealed class FuzzMutator(Random random)
{
    private const int MostChanges = 4;
    private const int MostGrowth = 20_000;

    /// <summary>Stands for half of a surrogate pair, which nodes cannot write.</summary>
    private const string Surrogate = "HALF";

    private static readonly string[] Values =
    [
        "null", "true", "false", "0", "-0.0", "1", "-1", "2147483647", "2147483648", "9223372036854775807", "1e308", "-1e-320", "0.5", "\"\"", "\"x\"",
        $"\"{Surrogate}\"", "\"\\u0000\"", "\"<s>\"", "\"[a-z\"", "[]", "{}", "[[]]", "[1,2,3]", "[null]", "[\"a\",\"\"]", "{\"type\":\"object\"}",
        "{\"type\":\"array\",\"items\":{\"$ref\":\"#\"}}", "{\"pattern\":\"(a*)*b\"}", "{\"anyOf\":[]}", "\"root ::= root\"", "\"json_object\"", "\"assistant\"",
    ];

    private static readonly string[] Names =
        ["model", "prompt", "messages", "stream", "seed", "stop", "n", "options", "tools", "temprature", "", "\u0000", "grammar", "json_schema", "suffix", "format"];

    private static readonly string[] Methods = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "CONNECT", "P\u00D6ST", ""];

    private static readonly string[] Headers =
    [
        "Content-Length: 0", "Content-Length: -1", "Content-Length: 99999999999", "Content-Length: 5\r\nContent-Length: 6", "Transfer-Encoding: chunked", "Transfer-Encoding: gzip",
        "Expect: 100-continue", "Authorization: Bearer", "x-api-key: \u0001", "Idempotency-Key: k", "Idempotency-Key: ", "x-request-id: a b", "Host: evil.example", "Host: ",
        "Connection: upgrade\r\nUpgrade: h2c", "Accept: text/event-stream", "Content-Type: text/xml", "Origin: null", "Range: bytes=0-1", "X: \u00FF", ": empty", "NoColon",
    ];

    private static readonly string[] ChunkSizes = ["ffffffffffffffff", "7fffffffffffffff", "-1", "0", "g", "", "1;ext=\"", "00000000000000000000001", "fffffff"];

    /// <summary>A seed's request with some changes: for a call its message, else all bytes of HTTP.</summary>
    /// <param name="seed">The seed.</param>
    public byte[] Mutate(FuzzSeed seed)
    {
        if (seed.Method == FuzzSeed.Rpc) return Flip(seed.Body);
        byte[] body = seed.Body.Length == 0 ? [] : random.Next(5) == 0 ? Flip(seed.Body) : ChangeJson(seed.Body);
        string method = random.Next(25) == 0 ? Pick(Methods) : seed.Method;
        string path = random.Next(20) == 0 ? ChangePath(seed.Path) : seed.Path;
        bool isChunked = body.Length > 0 && random.Next(10) == 0;
        var head = new StringBuilder($"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n");
        if (random.Next(6) == 0) head.Append(Pick(Headers)).Append("\r\n");
        head.Append(isChunked ? "Transfer-Encoding: chunked\r\n\r\n" : body.Length > 0 ? $"Content-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n" : "\r\n");
        byte[] request = [.. Encoding.Latin1.GetBytes(head.ToString()), .. isChunked ? Chunk(body) : body];
        return random.Next(15) == 0 ? Flip(request) : request;
    }

    private string Pick(string[] values) => values[random.Next(values.Length)];

    private byte[] Chunk(byte[] body)
    {
        int cut = random.Next(body.Length);
        string size = random.Next(2) == 0 ? Pick(ChunkSizes) : $"{cut:x}";
        return [.. Encoding.ASCII.GetBytes($"{size}\r\n"), .. body[..cut], .. Encoding.ASCII.GetBytes($"\r\n{body.Length - cut:x}\r\n"), .. body[cut..], .. "\r\n0\r\n\r\n"u8];
    }

    private string ChangePath(string path) => random.Next(6) switch
    {
        0 => path + "/",
        1 => path + "/%2e%2e/%00",
        2 => path.ToUpperInvariant(),
        3 => path + "?a=%FF&b",
        4 => "/" + new string('a', random.Next(9000)),
        _ => path[..random.Next(path.Length)],
    };

    /// <summary>Changes bytes: one is another, some are gone, twice there, or new.</summary>
    private byte[] Flip(byte[] bytes)
    {
        List<byte> changed = [.. bytes];
        for (int changes = random.Next(1, MostChanges + 1); changes > 0; changes--)
        {
            int at = random.Next(changed.Count + 1);
            int count = random.Next(1, 16);
            switch (random.Next(5))
            {
                case 0 when at < changed.Count:
                    changed[at] = (byte)random.Next(256);
                    break;
                case 1 when at < changed.Count:
                    changed[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 2:
                    changed.RemoveRange(at, Math.Min(count, changed.Count - at));
                    break;
                case 3:
                    changed.InsertRange(at, changed.GetRange(at, Math.Min(count, changed.Count - at)));
                    break;
                default:
                    changed.InsertRange(at, Enumerable.Range(0, count).Select(_ => (byte)random.Next(256)));
                    break;
            }
        }

        return [.. changed];
    }

    private byte[] ChangeJson(byte[] body)
    {
        JsonNode root = JsonNode.Parse(body)!;
        for (int changes = random.Next(0, MostChanges); changes > 0; changes--) ChangeOne(root);
        string text = root.ToJsonString().Replace(Surrogate, "\\ud800", StringComparison.Ordinal);

        // Nodes cannot have a name twice.
        if (random.Next(20) == 0) text = $"{{\"seed\":1,{text[1..]}";
        return Encoding.UTF8.GetBytes(text);
    }

    private void ChangeOne(JsonNode root)
    {
        List<JsonNode> parents = [.. Parents(root)];
        JsonNode parent = parents[random.Next(parents.Count)];
        if (parent is JsonArray list)
        {
            if (list.Count > 0 && random.Next(3) == 0) list.RemoveAt(random.Next(list.Count));
            else if (list.Count > 0 && random.Next(2) == 0) list[random.Next(list.Count)] = Value();
            else list.Add(Value());
            return;
        }

        JsonObject members = parent.AsObject();
        string[] names = [.. members.Select(member => member.Key)];
        string name = names.Length > 0 && random.Next(4) > 0 ? Pick(names) : Pick(Names);
        if (random.Next(5) == 0) members.Remove(name);
        else members[name] = Value();
    }

    private static IEnumerable<JsonNode> Parents(JsonNode node) => node switch
    {
        JsonObject members => members.Select(member => member.Value).OfType<JsonNode>().SelectMany(Parents).Prepend(node),
        JsonArray list => list.OfType<JsonNode>().SelectMany(Parents).Prepend(node),
        _ => [],
    };

    private JsonNode? Value() => random.Next(12) switch
    {
        0 => JsonValue.Create(new string((char)random.Next(1, 0x3000), random.Next(MostGrowth))),
        1 => JsonNode.Parse(string.Concat(Enumerable.Repeat("[", 30)) + string.Concat(Enumerable.Repeat("]", 30))),
        2 => JsonValue.Create(random.Next(-5, 300)),
        3 => JsonValue.Create((random.NextDouble() * 4) - 1),
        _ => JsonNode.Parse(Pick(Values)),
    };
}
