using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Llama.Model.Checkpoints.Gguf;
using Llama.Model.Weights;

namespace Llama.Model.Tests.Layers;

/// <summary>
/// A small random model with biases: all seven in its first layer, those of queries, keys and values in the second, none in the third. It is
/// written in both formats by code of its own, and <see cref="ReferenceForward"/> computes its golden results.
/// </summary>
internal static class BiasedModel
{
    /// <summary>Its name among the checkpoints with golden results.</summary>
    public const string Name = "biases/hf";

    private const int GreedyTokens = 16;

    private static readonly Lazy<string> MadeFolder = new(Make);

    private static readonly (string Theirs, string Gguf)[] GgufParts =
    [
        ("self_attn.q_proj", "attn_q"), ("self_attn.k_proj", "attn_k"), ("self_attn.v_proj", "attn_v"), ("self_attn.o_proj", "attn_output"),
        ("mlp.gate_proj", "ffn_gate"), ("mlp.up_proj", "ffn_up"), ("mlp.down_proj", "ffn_down"),
        ("input_layernorm", "attn_norm"), ("post_attention_layernorm", "ffn_norm"),
    ];

    public static ModelConfig Config { get; } = new()
    {
        Dim = 64,
        Layers = 3,
        Heads = 4,
        KvHeads = 2,
        HeadDim = 16,
        HiddenDim = 96,
        VocabSize = 160,
        ContextLength = 256,
        NormEps = 1e-5f,
        RopeTheta = 10_000,
        RotaryLayout = RotaryLayout.AdjacentPairs,
        Family = LlamaFamily.Llama2,
        EndTokens = [2],
    };

    /// <summary>The tensors as Hugging Face names and orders them.</summary>
    public static IReadOnlyDictionary<string, (int[] Shape, float[] Values)> Tensors { get; } = MakeTensors();

    /// <summary>A folder in Hugging Face's format; golden results lie beside it. Biases lie in another file than most of the weights.</summary>
    public static string Folder => MadeFolder.Value;

    /// <summary>Writes a folder of two files and an index; <c>config.json</c> does not speak of biases.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="tensors">The tensors.</param>
    /// <param name="flags">Further fields of the configuration, each with a comma before it.</param>
    public static void WriteHuggingFace(
        string folder, IEnumerable<KeyValuePair<string, (int[] Shape, float[] Values)>> tensors, string flags = "")
    {
        Directory.CreateDirectory(folder);
        File.WriteAllText(
            Path.Combine(folder, "config.json"),
            $$"""
            {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": {{Config.Dim}}, "intermediate_size": {{Config.HiddenDim}},
             "num_hidden_layers": {{Config.Layers}}, "num_attention_heads": {{Config.Heads}}, "num_key_value_heads": {{Config.KvHeads}},
             "rms_norm_eps": 1e-05, "rope_theta": 10000.0, "vocab_size": {{Config.VocabSize}}, "max_position_embeddings": {{Config.ContextLength}},
             "tie_word_embeddings": false, "hidden_act": "silu", "bos_token_id": 1, "eos_token_id": 2, "torch_dtype": "float32"{{flags}}}
            """);
        var index = new Dictionary<string, string>();
        foreach (var part in tensors.GroupBy(tensor => IsInSecond(tensor.Key) ? 2 : 1))
        {
            string file = $"model-0000{part.Key}-of-00002.safetensors";
            WriteSafetensors(Path.Combine(folder, file), part);
            foreach ((string name, _) in part) index.Add(name, file);
        }

        File.WriteAllText(
            Path.Combine(folder, "model.safetensors.index.json"),
            JsonSerializer.Serialize(new Dictionary<string, object> { ["weight_map"] = index }));
    }

    /// <summary>Writes a safetensors file of F32 tensors.</summary>
    public static void WriteSafetensors(string path, IEnumerable<KeyValuePair<string, (int[] Shape, float[] Values)>> tensors)
    {
        var header = new Dictionary<string, object>();
        using var data = new MemoryStream();
        foreach ((string name, (int[] shape, float[] values)) in tensors)
        {
            long begin = data.Length;
            data.Write(MemoryMarshal.AsBytes<float>(values));
            header.Add(name, new Dictionary<string, object> { ["dtype"] = "F32", ["shape"] = shape, ["data_offsets"] = new[] { begin, data.Length } });
        }

        byte[] json = JsonSerializer.SerializeToUtf8Bytes(header);
        byte[] length = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, json.Length);
        File.WriteAllBytes(path, [.. length, .. json, .. data.ToArray()]);
    }

    /// <summary>The tensors as GGUF names and orders them: elements i and i + headDim / 2 of queries and keys lie side by side.</summary>
    public static IReadOnlyList<(GgufTensor Tensor, float[] Values)> GgufTensors()
    {
        var tensors = new List<(GgufTensor, float[])>();
        foreach ((string name, (int[] shape, float[] values)) in Tensors)
        {
            bool rotated = name.Contains("q_proj", StringComparison.Ordinal) || name.Contains("k_proj", StringComparison.Ordinal);
            tensors.Add((new GgufTensor(GgufName(name), ElementType.F32, shape), rotated ? AdjacentPairs(shape, values) : values));
        }

        return tensors;
    }

    /// <summary>Writes a GGUF file, or one of several parts.</summary>
    /// <param name="path">The file.</param>
    /// <param name="tensors">Its tensors.</param>
    /// <param name="part">Its number from 0, how many parts there are, and tensors of all of them; null for a file that is not split.</param>
    /// <param name="more">Further metadata.</param>
    public static void WriteGguf(
        string path,
        IReadOnlyList<(GgufTensor Tensor, float[] Values)> tensors,
        (int Number, int Count, int Tensors)? part = null,
        params ReadOnlySpan<KeyValuePair<string, object>> more)
    {
        var metadata = new List<KeyValuePair<string, object>>([.. more]);
        if (part is { } split)
            metadata.AddRange([new("split.no", split.Number), new("split.count", split.Count), new("split.tensors.count", split.Tensors)]);
        if (part is null or { Number: 0 })
            metadata.AddRange([.. GgufLayout.Metadata(Config, "biases", ElementType.F32), new("tokenizer.ggml.model", "no_vocab")]);
        using var writer = new GgufWriter(path, metadata, [.. tensors.Select(tensor => tensor.Tensor)]);
        foreach ((_, float[] values) in tensors) writer.Write(MemoryMarshal.AsBytes<float>(values));
        writer.Complete();
    }

    /// <summary>Writes a GGUF model of two parts.</summary>
    /// <returns>Their paths.</returns>
    public static string[] WriteGgufParts(
        string folder, IReadOnlyList<(GgufTensor Tensor, float[] Values)> first, IReadOnlyList<(GgufTensor Tensor, float[] Values)> second)
    {
        string[] paths = [Path.Combine(folder, "biases-00001-of-00002.gguf"), Path.Combine(folder, "biases-00002-of-00002.gguf")];
        WriteGguf(paths[0], first, (0, 2, first.Count + second.Count));
        WriteGguf(paths[1], second, (1, 2, first.Count + second.Count));
        return paths;
    }

    public static bool IsBias(string name) => name.EndsWith(".bias", StringComparison.Ordinal);

    private static bool IsInSecond(string name) => IsBias(name) || name.Contains("layers.2.", StringComparison.Ordinal);

    private static string Make()
    {
        string folder = Path.Combine(AppContext.BaseDirectory, "made", "biases");
        WriteHuggingFace(Path.Combine(folder, "hf"), Tensors);
        var random = new Random(7);
        int[] tokens = [.. Enumerable.Range(0, 48).Select(_ => random.Next(3, Config.VocabSize))];
        var reference = new ReferenceForward(Config, Tensors);
        double[][] logits = [.. tokens.Select(reference.Next)];
        var greedy = new List<int>();
        double[] last = logits[^1];
        while (true)
        {
            greedy.Add(Array.IndexOf(last, last.Max()));
            if (greedy.Count == GreedyTokens) break;
            last = reference.Next(greedy[^1]);
        }

        File.WriteAllText(Path.Combine(folder, "golden.json"), JsonSerializer.Serialize(new { tokens, logits, greedy }));
        return folder + Path.DirectorySeparatorChar + "hf";
    }

    /// <summary>Weights are half-precision numbers, so that files of F16 hold them exactly.</summary>
    private static Dictionary<string, (int[] Shape, float[] Values)> MakeTensors()
    {
        var random = new Random(1);
        var tensors = new Dictionary<string, (int[], float[])>();
        (int dim, int queries, int keys, int wide) = (Config.Dim, Config.QueryDim, Config.KvDim, Config.HiddenDim);
        Matrix("model.embed_tokens", Config.VocabSize, dim, 1);
        for (int layer = 0; layer < Config.Layers; layer++)
        {
            string prefix = $"model.layers.{layer}.";
            Norm(prefix + "input_layernorm");
            Matrix(prefix + "self_attn.q_proj", queries, dim, 0.25, layer < 2);
            Matrix(prefix + "self_attn.k_proj", keys, dim, 0.25, layer < 2);
            Matrix(prefix + "self_attn.v_proj", keys, dim, 0.125, layer < 2);
            Matrix(prefix + "self_attn.o_proj", dim, queries, 0.125, layer < 1);
            Norm(prefix + "post_attention_layernorm");
            Matrix(prefix + "mlp.gate_proj", wide, dim, 0.125, layer < 1);
            Matrix(prefix + "mlp.down_proj", dim, wide, 0.1, layer < 1);
            Matrix(prefix + "mlp.up_proj", wide, dim, 0.125, layer < 1);
        }

        Norm("model.norm");
        Matrix("lm_head", Config.VocabSize, dim, 0.125);
        return tensors;

        void Matrix(string name, int rows, int columns, double size, bool bias = false)
        {
            tensors.Add(name + ".weight", ([rows, columns], [.. Enumerable.Range(0, rows * columns).Select(_ => (float)(Half)Normal(size))]));
            if (bias) tensors.Add(name + ".bias", ([rows], [.. Enumerable.Range(0, rows).Select(_ => (float)Normal(0.7))]));
        }

        void Norm(string name) => tensors.Add(name + ".weight", ([dim], [.. Enumerable.Range(0, dim).Select(_ => (float)(Half)(1 + Normal(0.1)))]));

        double Normal(double size) => size * Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
    }

    private static string GgufName(string name)
    {
        switch (name)
        {
            case "model.embed_tokens.weight": return "token_embd.weight";
            case "model.norm.weight": return "output_norm.weight";
            case "lm_head.weight": return "output.weight";
        }

        var theirs = new StringBuilder(name).Replace("model.layers.", "blk.");
        foreach ((string part, string gguf) in GgufParts) theirs.Replace(part, gguf);
        return theirs.ToString();
    }

    private static float[] AdjacentPairs(int[] shape, float[] values)
    {
        int width = values.Length / shape[0], half = Config.HeadDim / 2;
        float[] pairs = new float[values.Length];
        for (int row = 0; row < shape[0]; row++)
        {
            int head = row / Config.HeadDim * Config.HeadDim, element = row % Config.HeadDim;
            int target = head + (2 * (element % half)) + (element / half);
            values.AsSpan(row * width, width).CopyTo(pairs.AsSpan(target * width));
        }

        return pairs;
    }
}
