using System.Text;
using System.Text.Json;
using Llama.Model.Chat;
using Llama.Model.Chat.Jinja;
using Llama.Model.Checkpoints;
using Llama.Model.Tests.Checkpoints;
using Llama.Model.Tests.Checkpoints.Gguf;
using Llama.Model.Tests.Tokenization;
using Llama.Model.Tokenization;
using Llama.Model.Weights;
using Llama.Tests;

namespace Llama.Model.Tests.Fuzz;

/// <summary>A reader of files that come from anywhere.</summary>
/// <param name="Folder">A folder that it reads, where all is right.</param>
/// <param name="Files">The files in it that are damaged, one at a time, and others like them.</param>
/// <param name="Read">Reads the folder, or refuses it with an exception that is documented.</param>
internal sealed record FuzzReader(TemporaryFolder Folder, IReadOnlyDictionary<string, byte[][]> Files, Action<string> Read) : IDisposable
{
    private const string Text = "Hello <s> w\u00f6rld </s>\u2581\U0001f999 12345 aaaaaaaaaa\t\n\n <think>x\ud800";

    private static readonly ChatMessage[] Messages = [new("system", "Be <s>."), new("user", Text), new("assistant", "a"), new("user", "b")];

    /// <summary>The names of all readers.</summary>
    public static IReadOnlyList<string> Names { get; } =
        ["gguf", "gguf-vocabulary", "safetensors", "config", "meta", "tokenizer-json", "tokenizer-model", "tokenizer-config", "jinja"];

    /// <summary>A reader by name.</summary>
    public static FuzzReader Create(string name)
    {
        var folder = new TemporaryFolder();
        return name switch
        {
            "gguf" => Of(folder, Gguf(folder), ReadModel),
            "gguf-vocabulary" => Of(folder, GgufVocabulary(folder), ReadTokenizer),
            "safetensors" => Of(folder, Fixture(folder, "hf", "model-00001-of-00002.safetensors", "model.safetensors.index.json"), ReadModel),
            "config" => Of(folder, Config(), ReadConfig),
            "meta" => Of(folder, Fixture(folder, "meta", "consolidated.00.pth", "params.json"), ReadModel),
            "tokenizer-json" => Of(folder, [("tokenizer.json", [SentencePiece(), .. PreTokenizers()])], ReadTokenizer),
            "tokenizer-model" => Of(folder, [("tokenizer.model", Models())], ReadTokenizer),
            "tokenizer-config" => Of(folder, TokenizerConfig(folder), ReadTokenizer),
            "jinja" => Of(folder, [("chat_template.jinja", Templates())], ReadTemplate),
            _ => throw new ArgumentException($"{name} is no reader"),
        };
    }

    public void Dispose() => Folder.Dispose();

    private static FuzzReader Of(TemporaryFolder folder, IEnumerable<(string Name, byte[][] Seeds)> files, Action<string> read)
    {
        var all = files.ToDictionary(file => file.Name, file => file.Seeds);
        foreach ((string name, byte[][] seeds) in all) File.WriteAllBytes(folder[name], seeds[0]);
        return new FuzzReader(folder, all, read);
    }

    /// <summary>Whether an exception is one with which readers refuse a file.</summary>
    public static bool IsRefusal(Exception exception) =>
        exception is CheckpointException or ChatException or JinjaException || exception.GetType() == typeof(ArgumentException);

    private static void ReadModel(string folder)
    {
        using (Checkpoint checkpoint = CheckpointReading.Open(folder)) CheckpointReading.ReadEverything(checkpoint);
        ReadTokenizer(folder);
    }

    private static void ReadConfig(string folder) => CheckpointReading.Open(folder).Dispose();

    private static void ReadTokenizer(string folder)
    {
        if (TokenizerLoader.Load(folder) is not { } tokenizer) return;
        foreach (bool special in (bool[])[false, true])
        {
            foreach (int id in tokenizer.Encode(Text, special)) Assert.InRange(id, 0, tokenizer.VocabSize - 1);
        }

        tokenizer.Decode([.. tokenizer.Encode("a b"), -1, 0, tokenizer.VocabSize, int.MaxValue]);
        ChatTemplates.Choose(folder, LlamaFamily.Llama2, tokenizer, null, out _).Render(Messages);
    }

    private static void ReadTemplate(string folder)
    {
        string source = Encoding.UTF8.GetString(File.ReadAllBytes(Path.Combine(folder, "chat_template.jinja")));
        var templates = new Dictionary<string, JinjaTemplate> { [CheckpointTemplate.Default] = JinjaTemplate.Parse(source) };
        var template = new CheckpointTemplate(templates, TestTokenizers.Get("tinystories"), TimeProvider.System);
        foreach (bool begins in (bool[])[true, false])
        {
            template.RenderText(Messages, new ChatOptions
            {
                AddGenerationPrompt = begins,
                Tools = begins ? JsonElement.Parse("""[{"type":"function","function":{"name":"f","parameters":{"a":[1,2.5,null]}}}]""") : null,
                Variables = Variables,
            });
        }
    }

    private static JsonElement Reference { get; } =
        JsonElement.Parse(File.ReadAllBytes(Path.Combine(TestPaths.Root, "tests", "Llama.Model.Tests", "Chat", "Jinja", "jinja.json")));

    private static Dictionary<string, JsonElement> Variables { get; } =
        Reference.GetProperty("variables").EnumerateObject().ToDictionary(item => item.Name, item => item.Value);

    private static byte[][] Templates()
    {
        IEnumerable<string> cases = Reference.GetProperty("cases").EnumerateArray().Select(item => item.GetProperty("template").GetString()!);
        string beside = Path.Combine(TestPaths.Beside, "templates");
        IEnumerable<string> real = Directory.Exists(beside) ? Directory.EnumerateFiles(beside, "*.jinja").Order().Select(File.ReadAllText) : [];
        return [.. cases.Concat(real).Select(Encoding.UTF8.GetBytes)];
    }

    private static (string Name, byte[][] Seeds)[] Gguf(TemporaryFolder folder)
    {
        byte[] converted = File.ReadAllBytes(TinyGguf.Convert(folder, TestPaths.TinyStories, ElementType.Q8_0));
        File.Delete(folder["Q8_0.gguf"]);
        return [("tiny.gguf", [TinyWith(folder, ("llama.rope.scaling.type", "yarn"), ("llama.rope.scaling.factor", 2f)), converted])];
    }

    private static (string Name, byte[][] Seeds)[] GgufVocabulary(TemporaryFolder folder)
    {
        string[] bytes = [.. Enumerable.Range(0, 256).Select(value => ByteAlphabet.OfBytes($"{(char)value}")), "he", "ll", "<|end|>"];
        byte[] bpe = TinyWith(
            folder, ("tokenizer.ggml.model", "gpt2"), ("tokenizer.ggml.pre", "llama-bpe"), ("tokenizer.ggml.tokens", bytes),
            ("tokenizer.ggml.token_type", bytes.Select((_, id) => id < 258 ? 1 : 3).ToArray()), ("tokenizer.ggml.merges", (string[])["h e", "l l"]),
            ("tokenizer.ggml.bos_token_id", 258), ("tokenizer.ggml.add_bos_token", true), ("tokenizer.chat_template", "{{ bos_token + messages[0].content }}"));
        string[] pieces = ["<unk>", "<s>", "</s>", .. Enumerable.Range(0, 256).Select(value => $"<0x{value:X2}>"), "\u2581", "a", "\u2581a", "<tool>"];
        byte[] spm = TinyWith(
            folder, ("tokenizer.ggml.model", "llama"), ("tokenizer.ggml.tokens", pieces), ("tokenizer.ggml.scores", pieces.Select((_, id) => (float)-id).ToArray()),
            ("tokenizer.ggml.token_type", pieces.Select((text, id) => text == "<tool>" ? 4 : id == 0 ? 2 : id < 3 ? 3 : id < 259 ? 6 : 1).ToArray()),
            ("tokenizer.ggml.bos_token_id", 1), ("tokenizer.ggml.eos_token_id", 2), ("tokenizer.ggml.add_space_prefix", true));
        return [("tiny.gguf", [bpe, spm])];
    }

    private static byte[] TinyWith(TemporaryFolder folder, params (string Key, object? Value)[] changes) =>
        File.ReadAllBytes(TinyGguf.Write(folder["tiny.gguf"], ElementType.F16, changes));

    private static (string Name, byte[][] Seeds)[] Fixture(TemporaryFolder folder, string format, params string[] damaged)
    {
        string source = Path.Combine(TestPaths.Fixtures, "llama-1", format);
        foreach (string file in Directory.EnumerateFiles(source)) File.Copy(file, folder[Path.GetFileName(file)]);
        return [.. damaged.Select(name => (name, (byte[][])[File.ReadAllBytes(folder[name])]))];
    }

    private static (string Name, byte[][] Seeds)[] Config()
    {
        string scaled = """
            {"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_size":64,"intermediate_size":96,"num_hidden_layers":2,"num_attention_heads":4,
             "num_key_value_heads":2,"head_dim":16,"vocab_size":128,"max_position_embeddings":512,"rms_norm_eps":1e-5,"rope_theta":10000.0,"torch_dtype":"float16",
             "rope_scaling":{"rope_type":"yarn","factor":4.0,"beta_fast":32,"beta_slow":1,"mscale":1.0,"original_max_position_embeddings":128},
             "quantization_config":{"quant_method":"fp8","weight_block_size":[128,128]},"sliding_window":256,"tie_word_embeddings":true,"eos_token_id":[1,2]}
            """;
        byte[][] configs = [File.ReadAllBytes(Path.Combine(TestPaths.Fixtures, "llama-1", "hf", "config.json")), File.ReadAllBytes(Path.Combine(TestPaths.Fixtures, "llama-3.1", "hf", "config.json")), Encoding.UTF8.GetBytes(scaled)];
        byte[] generation = """{"do_sample":true,"temperature":0.6,"top_k":50,"top_p":0.9,"min_p":0.1,"eos_token_id":[1,2]}"""u8.ToArray();
        return [("config.json", configs), ("generation_config.json", [generation])];
    }

    private static byte[] SentencePiece()
    {
        System.Text.Json.Nodes.JsonObject json = SentencePieceJson.Create(["\u2581", "a", "b", "\u2581a", "ab", "aba"], ["\u2581 a", "a b", "ab a"]);
        json["added_tokens"]!.AsArray().Add(SentencePieceJson.Added("<think>", 265, special: false, normalized: true));
        return SentencePieceJson.Write(json);
    }

    private static IEnumerable<byte[]> PreTokenizers()
    {
        const string Pattern = @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
        string vocab = string.Join(',', Enumerable.Range(0, 256).Select(value => $"{JsonSerializer.Serialize(ByteAlphabet.OfBytes($"{(char)value}"))}:{value}"));
        yield return Encoding.UTF8.GetBytes(
            """
            {"added_tokens":[{"id":258,"content":"<|end|>","special":true,"lstrip":true,"rstrip":true,"single_word":true,"normalized":false}],
             "normalizer":null,"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"PATTERN"},"behavior":"Isolated","invert":false},
             {"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}]},
             "post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<|end|>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],"pair":[],
             "special_tokens":{"<|end|>":{"id":"<|end|>","ids":[258],"tokens":["<|end|>"]}}},"decoder":{"type":"ByteLevel"},
             "model":{"type":"BPE","ignore_merges":true,"byte_fallback":false,"vocab":{VOCAB,"he":256,"ll":257},"merges":["h e",["l","l"]]}}
            """.Replace("PATTERN", Pattern, StringComparison.Ordinal).Replace("VOCAB", vocab, StringComparison.Ordinal));
    }

    private static byte[][] Models() =>
    [
        new SentencePieceBytes().Pieces("\u2581", "a", "b", "\u2581a", "ab").Piece("<u>", 0, SentencePieceBytes.UserDefined).Trainer().Normalizer(collapse: true).ToArray(),
        Encoding.UTF8.GetBytes(TestTokenizers.SmallTiktoken("he", "ll", "hello")),
    ];

    private static (string Name, byte[][] Seeds)[] TokenizerConfig(TemporaryFolder folder)
    {
        File.WriteAllBytes(folder["tokenizer.model"], Models()[0]);
        byte[] config = Encoding.UTF8.GetBytes(
            """
            {"add_bos_token":true,"add_eos_token":false,"bos_token":{"content":"<s>","lstrip":false},"eos_token":"</s>","unk_token":"<unk>","pad_token":null,
             "added_tokens_decoder":{"0":{"content":"<unk>","special":true},"300":{"content":"<|im_start|>","lstrip":true,"rstrip":true,"normalized":false,"single_word":true,"special":true}},
             "additional_special_tokens":["<|im_start|>"],"extra_special_tokens":{"a":"<a>"},"tokenizer_class":"LlamaTokenizer","model_max_length":1e30,
             "chat_template":[{"name":"default","template":"{% for m in messages %}{{ bos_token + m.content }}{% endfor %}"},{"name":"tool_use","template":"{{ tools }}"}]}
            """);
        byte[] map = """{"bos_token":"<s>","eos_token":{"content":"</s>"},"additional_special_tokens":["<a>",{"content":"<b>"}]}"""u8.ToArray();
        byte[] added = """{"<a>":264,"<b>":265,"<|im_start|>":300}"""u8.ToArray();
        return [("tokenizer_config.json", [config]), ("special_tokens_map.json", [map]), ("added_tokens.json", [added])];
    }
}
