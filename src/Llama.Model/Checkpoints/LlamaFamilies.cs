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
    public static LlamaFamily Of(string folder, ModelConfig config, int contextLength) =>
        Of(HasTiktokenVocabulary(folder), config, contextLength);

    /// <summary>The member of the family that has these parameters.</summary>
    /// <param name="tiktoken">Whether the vocabulary is known to be tiktoken's.</param>
    /// <param name="config">The configuration, but for what depends on the family.</param>
    /// <param name="contextLength">The model's own context length, whatever the user set.</param>
    public static LlamaFamily Of(bool tiktoken, ModelConfig config, int contextLength)
    {
        if (config.VocabSize == Llama3Vocabulary || tiktoken) return LlamaFamily.Llama3;
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
        return WithSpecialTokens(
            folder,
            config,
            (Tokens(generation, "bos_token_id") ?? Tokens(file, "bos_token_id"))?[0],
            Tokens(generation, "eos_token_id"),
            Tokens(file, "eos_token_id"));

        IReadOnlyList<int>? Tokens(JsonSettings? settings, string field) =>
            settings?.Tokens(field, config.VocabSize) is { Count: > 0 } tokens ? tokens : null;
    }

    /// <summary>Adds the special tokens.</summary>
    /// <param name="source">File or folder, for messages.</param>
    /// <param name="config">The configuration, its family known.</param>
    /// <param name="beginOfText">The begin-of-text token that is named, or null for the family's.</param>
    /// <param name="ends">The end tokens, if all of them are named.</param>
    /// <param name="named">The end tokens that are named where not all may be.</param>
    /// <exception cref="CheckpointException">A token lies outside the vocabulary.</exception>
    public static ModelConfig WithSpecialTokens(
        string source, ModelConfig config, int? beginOfText, IReadOnlyList<int>? ends, IReadOnlyList<int>? named)
    {
        bool llama3 = config.Family == LlamaFamily.Llama3;

        // The special tokens follow the ranks, which in every release are 128,000.
        int special = Math.Min(Llama3Vocabulary, config.VocabSize) - Llama3SpecialTokens;
        int begin = beginOfText ?? (llama3 ? special : 1);
        if (begin < 0 || begin >= config.VocabSize)
        {
            throw new CheckpointException(
                $"{source}: found a vocabulary of {config.VocabSize} tokens, too small for the begin-of-text token of {config.Family}");
        }

        IReadOnlyList<int> family = config.Family switch
        {
            LlamaFamily.Llama3 => [special + 1, special + 8, special + 9],
            LlamaFamily.CodeLlama70B => [2, 32_015],
            _ => [2],
        };
        IEnumerable<int> all = ends ?? (llama3 ? family.Union(named ?? []) : named ?? family);
        return config with { BeginOfText = begin, EndTokens = [.. all.Distinct().Where(token => token < config.VocabSize).Order()] };
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
