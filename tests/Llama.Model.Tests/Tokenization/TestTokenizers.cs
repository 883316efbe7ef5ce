using System.Text;
using System.Text.Json;
using Llama.Model.Tokenization;
using Llama.Tests;

namespace Llama.Model.Tests.Tokenization;

/// <summary>The tokenizers that tests use: real ones, each loaded once, and small ones made here.</summary>
internal static class TestTokenizers
{
    private static readonly Dictionary<string, Lazy<ITokenizer>> Loaded = new()
    {
        ["llama2/tokenizer.model"] = new(() => SentencePieceModel.Read(File.ReadAllBytes(Path.Combine(Real("llama2"), "tokenizer.model")), "m").CreateTokenizer(TokenizerFacts.None)),
        ["llama2/tokenizer.json"] = new(() => LoadJson(Real("llama2"))),
        ["llama2/converted"] = new(() => TokenizerJson.Read(SentencePieceJson.Convert(Get("llama2/tokenizer.model")), "converted", TokenizerFacts.None)),
        ["llama3/tokenizer.model"] = new(() => TiktokenFile.Read(File.ReadAllBytes(Path.Combine(Real("llama3"), "tokenizer.model")), "m")),
        ["llama3/tokenizer.json"] = new(() => LoadJson(Real("llama3"))),
        ["tinystories"] = new(() => TokenizerLoader.Load(TestPaths.TinyStories)!),
        ["small-tiktoken"] = new(() => TiktokenFile.Read(Encoding.UTF8.GetBytes(SmallTiktoken()), "small")),
    };

    /// <summary>Meta's vocabulary files, which lie beside the repository on some machines.</summary>
    public static string Real(string name)
    {
        string folder = Path.Combine(TestPaths.Beside, "tokenizers", name);
        Assert.SkipUnless(Directory.Exists(folder), $"needs {folder}");
        return folder;
    }

    /// <summary>A tokenizer by name; skips the test where its file is not there.</summary>
    public static ITokenizer Get(string name)
    {
        if (name.Contains('/', StringComparison.Ordinal)) Real(name[..name.IndexOf('/', StringComparison.Ordinal)]);
        return Loaded[name].Value;
    }

    /// <summary>A tokenizer by name, which must be Llama 2's; skips the test where the file holds another vocabulary.</summary>
    public static ITokenizer GetLlama2(string name)
    {
        ITokenizer tokenizer = Get(name);
        string token = Encoding.UTF8.GetString(tokenizer.TokenBytes(260));
        Assert.SkipUnless(token == " t", $"{name} is not Llama 2's vocabulary: its token 260 is '{token}', not ' t'");
        return tokenizer;
    }

    /// <summary>The test vectors of a real vocabulary.</summary>
    public static IReadOnlyList<(string Text, int[] Ids)> Vectors(string name)
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Real(name), "vectors.json")));
        return [.. document.RootElement.EnumerateArray().Select(vector =>
            (vector.GetProperty("text").GetString()!, Ints(vector.GetProperty("ids"))))];
    }

    public static int[] Ints(JsonElement list) => [.. list.EnumerateArray().Select(id => id.GetInt32())];

    /// <summary>A tiktoken file of the 256 bytes and some longer tokens, from id 256 on.</summary>
    public static string SmallTiktoken(params string[] tokens)
    {
        IEnumerable<byte[]> bytes = Enumerable.Range(0, 256).Select(value => new[] { (byte)value });
        IEnumerable<byte[]> all = bytes.Concat(tokens.Select(Encoding.UTF8.GetBytes));
        return string.Concat(all.Select((token, rank) => $"{Convert.ToBase64String(token)} {rank}\n"));
    }

    private static ITokenizer LoadJson(string folder)
    {
        string file = Path.Combine(folder, "tokenizer.json");
        return TokenizerJson.Read(File.ReadAllBytes(file), file, TokenizerFacts.None);
    }
}
