using System.Buffers.Text;

namespace Llama.Model.Checkpoints;

/// <summary>Tells the members of the family apart.</summary>
internal static class LlamaFamilies
{
    private const int Llama3Vocabulary = 128_256;

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
