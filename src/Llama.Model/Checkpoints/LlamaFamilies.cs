using System.Buffers.Text;
using Llama.Model.Checkpoints.Files;

namespace Llama.Model.Checkpoints;

/// <summary>Tells the members of the family apart, and knows their special tokens.</summary>
internal static class LlamaFamilies
{
    private const int Llama3Vocabulary = 128_256;
    private const int Llama3SpecialTokens = 256;

    /// <summary>The member of the family that has these parameters.</summary>
    /// <param name="folder">The checkpoint's folder: a tiktoken vocabulary in it tells of Llama 3.</param>
    /// <param name="config">The configuration, but for what depends on the family.</param>
    /// <param name="contextLength">The model's own context length, whatever the user set.</param>
    public static LlamaFamily Of(string folder, ModelConfig config, int contextLength)
    {
        if (config.VocabSize == Llama3Vocabulary || HasTiktokenVocabulary(folder)) return LlamaFamily.Llama3;
        if (config is { Dim: 8192, VocabSize: 32_016 }) return LlamaFamily.CodeLlama70B;
        if (config is { RopeTheta: 1e6, VocabSize: <= 32_016 }) return LlamaFamily.CodeLlama;
        bool eps1 = config is { NormEps: 1e-6f } or { Dim: 8192, KvHeads: 64 };
        return eps1 && contextLength <= 2048 ? LlamaFamily.Llama1 : LlamaFamily.Llama2;
    }

    /// <summary>
    /// Adds the special tokens: those of <c>generation_config.json</c> where there is one, else those of the configuration file,
    /// else the family's. Llama 3 ends at its family's tokens too where only the configuration file names some: released files name
    /// one of the three.
    /// </summary>
    /// <param name="folder">The checkpoint's folder.</param>
    /// <param name="config">The configuration, its family known.</param>
    /// <param name="file">The configuration file, if its format may name special tokens.</param>
    /// <exception cref="CheckpointException">A token lies outside the vocabulary.</exception>
    public static ModelConfig WithSpecialTokens(string folder, ModelConfig config, JsonSettings? file)
    {
        var generation = JsonSettings.ReadIfThere(Path.Combine(folder, "generation_config.json"));
        bool llama3 = config.Family == LlamaFamily.Llama3;

        // The special tokens follow the ranks, which in every release are 128,000.
        int special = Math.Min(Llama3Vocabulary, config.VocabSize) - Llama3SpecialTokens;
        int begin = Tokens(generation, "bos_token_id")?[0] ?? Tokens(file, "bos_token_id")?[0] ?? (llama3 ? special : 1);
        if (begin < 0 || begin >= config.VocabSize)
        {
            throw new CheckpointException(
                $"{folder}: found a vocabulary of {config.VocabSize} tokens, too small for the begin-of-text token of {config.Family}");
        }

        IReadOnlyList<int> family = config.Family switch
        {
            LlamaFamily.Llama3 => [special + 1, special + 8, special + 9],
            LlamaFamily.CodeLlama70B => [2, 32_015],
            _ => [2],
        };
        IReadOnlyList<int>? named = Tokens(file, "eos_token_id");
        IEnumerable<int> ends = Tokens(generation, "eos_token_id")
            ?? (llama3 ? family.Union(named ?? []) : named ?? family);
        return config with { BeginOfText = begin, EndTokens = [.. ends.Distinct().Where(token => token < config.VocabSize).Order()] };

        IReadOnlyList<int>? Tokens(JsonSettings? settings, string field) =>
            settings?.Tokens(field, config.VocabSize) is { Count: > 0 } tokens ? tokens : null;
    }

    /// <summary>Whether <c>tokenizer.model</c> is a list of base64 words and ranks rather than a SentencePiece model.</summary>
    private static bool HasTiktokenVocabulary(string folder)
    {
        string path = Path.Combine(folder, "tokenizer.model");
        if (!File.Exists(path)) return false;
        Span<byte> head = stackalloc byte[64];
        using FileStream stream = File.OpenRead(path);
        head = head[..stream.ReadAtLeast(head, head.Length, throwOnEndOfStream: false)];
        int space = head.IndexOf((byte)' ');
        return space > 0 && Base64.IsValid(head[..space]) && space + 1 < head.Length && char.IsAsciiDigit((char)head[space + 1]);
    }
}
