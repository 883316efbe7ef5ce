using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Llama.Model.Tokenization;
using Llama.Tests;

namespace Llama.Model.Tests.Tokenization;

/// <summary>
/// Random texts encoded here and by others: SentencePiece, tiktoken, the tokenizers library and llama.cpp, each by its npm package. They run
/// where that is in <c>bench/peer/node_modules</c>, and are skipped elsewhere. <c>LLAMA_PEER_TEXTS</c> says how many texts.
/// </summary>
public sealed class PeerTokenizerTests : IDisposable
{
    private const string Llama3Pattern =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private static readonly string Folder = Path.Combine(TestPaths.Root, "bench", "peer");

    private static readonly string[] Parts =
    [
        " ", "  ", "\n", "\r\n", "\t", "the", "The", "Once", "upon", "I'll", "don't", "IT'S", "'S", "1", "12345", "3.14", "\u00e9", "e\u0301", "\u00df", "\u0130", "\ufb01",
        "\u65e5\u672c\u8a9e", "\ud55c\uad6d", "\u0645\u0631\u062d\u0628\u0627", "\u0928\u092e\u0938\u094d\u0924\u0947", "\U0001f999", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f1e9\U0001f1ea",
        "\u2581", "\u00a0", "\u2003", "\u3000", "\u200b", "\ufeff", "\u0000", "\u0001", "\u007f", "\u0085", "\u2028", "\ufffd", "\U00010348", "\u0660\u0661\u0662\u0663", "\u00b2",
        "<s>", "</s>", "<|eot_id|>", "<0x0A>", "aaaaaaaa", "FFFF", "....", "!?", "/*", "//", "{}", "=>", "_", "-", "\u2014", "\u201c", "\"", "'", ",",
    ];

    private readonly TemporaryFolder folder = new();

    public static TheoryData<string, string> Vocabularies => new()
    {
        { "sentencepiece", "tinystories" },
        { "sentencepiece", "llama2/tokenizer.model" },
        { "tiktoken", "small-tiktoken" },
        { "tiktoken", "llama3/tokenizer.model" },
        { "tokenizers", "tinystories" },
        { "tokenizers", "llama2/tokenizer.json" },
        { "tokenizers", "llama3/tokenizer.json" },
        { "llama.cpp", "../ggml-vocab-llama-spm.gguf" },
        { "llama.cpp", "../ggml-vocab-llama-bpe.gguf" },
    };

    public void Dispose() => folder.Dispose();

    [Theory]
    [MemberData(nameof(Vocabularies))]
    public async Task Encode_RandomTexts_GivesThePeersTokens(string peer, string vocabulary)
    {
        string package = Path.Combine(Folder, "node_modules", peer switch { "sentencepiece" => "sentencepiece-js", "llama.cpp" => "node-llama-cpp", _ => peer });
        Assert.SkipUnless(Directory.Exists(package), $"{package} is not installed");
        (ITokenizer tokenizer, string file) = Files(peer, vocabulary);
        int count = int.TryParse(Environment.GetEnvironmentVariable("LLAMA_PEER_TEXTS"), out int asked) ? asked : 2000;
        var random = new Random(17);
        string[] texts = [.. Enumerable.Range(0, count).Select(_ => RandomText(random, peer))];
        int[][] expected = await EncodeAsync(peer, file, texts);
        var faults = new List<string>();
        for (int i = 0; i < texts.Length; i++)
        {
            // The library finds special tokens in what it encodes; the others were told not to.
            IReadOnlyList<int> found = tokenizer.Encode(texts[i], parseSpecial: peer == "tokenizers");
            if (!found.SequenceEqual(expected[i]))
                faults.Add($"{JsonSerializer.Serialize(texts[i])}: found {string.Join(' ', found)}, expected {string.Join(' ', expected[i])}");
        }

        Assert.True(faults.Count == 0, $"{faults.Count} of {texts.Length} differ:\n{string.Join('\n', faults.OrderBy(fault => fault.Length).Take(5))}");
    }

    private (ITokenizer Tokenizer, string File) Files(string peer, string vocabulary)
    {
        if (vocabulary.StartsWith("..", StringComparison.Ordinal))
        {
            string path = Path.Combine(TestTokenizers.Real("llama2"), vocabulary);
            Assert.SkipUnless(File.Exists(path), $"needs {path}");
            return (TokenizerLoader.Load(path)!, path);
        }

        ITokenizer tokenizer = TestTokenizers.Get(vocabulary);
        if ((peer, vocabulary) == ("tokenizers", "tinystories"))
        {
            // Not the same tokenizer: the conversion does not collapse spaces.
            string json = folder.Write("tokenizer.json", Encoding.UTF8.GetString(SentencePieceJson.Convert(tokenizer)));
            return (TokenizerLoader.Load(folder.Path)!, json);
        }

        return (tokenizer, (peer, vocabulary) switch
        {
            ("sentencepiece", "tinystories") => Path.Combine(TestPaths.TinyStories, "tokenizer.model"),
            ("tiktoken", "small-tiktoken") => folder.Write("small.model", TestTokenizers.SmallTiktoken()),
            _ => Path.Combine(TestTokenizers.Real(vocabulary[..6]), vocabulary[7..]),
        });
    }

    private static string RandomText(Random random, string peer)
    {
        var text = new StringBuilder();
        for (int parts = random.Next(1, 30); parts > 0; parts--)
        {
            string part = random.Next(4) > 0 ? Parts[random.Next(Parts.Length)] : RandomRune(random);

            // SentencePiece's binding takes texts that end with a zero.
            if (peer != "sentencepiece" || !part.Contains('\0')) text.Append(part);
        }

        return text.ToString();
    }

    private static string RandomRune(Random random)
    {
        // Higher ones are letters in one version of Unicode and nothing in another.
        int most = random.Next(3) switch { 0 => 0x80, 1 => 0x800, _ => 0xffff };
        int value = random.Next(1, most);
        return Rune.IsValid(value) ? new Rune(value).ToString() : "x";
    }

    private static async Task<int[][]> EncodeAsync(string peer, string file, string[] texts)
    {
        CancellationToken stopping = TestContext.Current.CancellationToken;
        var start = new ProcessStartInfo("node", [Path.Combine(Folder, "encode.mjs"), peer, file, Llama3Pattern])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            StandardInputEncoding = new UTF8Encoding(false),
        };
        using Process node = Process.Start(start)!;
        Task<string> output = node.StandardOutput.ReadToEndAsync(stopping);
        await node.StandardInput.WriteAsync(JsonSerializer.Serialize(texts).AsMemory(), stopping);
        node.StandardInput.Close();
        string answer = await output.WaitAsync(TimeSpan.FromMinutes(2), stopping);
        await node.WaitForExitAsync(stopping);
        Assert.Equal(0, node.ExitCode);
        return JsonSerializer.Deserialize<int[][]>(answer)!;
    }
}
