using Llama.Model.Checkpoints;
using Llama.Model.Checkpoints.Gguf;

namespace Llama.Model.Tokenization;

/// <summary>Finds and reads the tokenizer of a checkpoint.</summary>
public static class TokenizerLoader
{
    // Llama 3's files have 2 and 9 to 17 MB. A larger one is no tokenizer, and reading it could take any amount of memory.
    private const int MaxModelBytes = 16 << 20;
    private const int MaxJsonBytes = 32 << 20;

    /// <summary>
    /// Reads <c>tokenizer.json</c> (Hugging Face) or else <c>tokenizer.model</c> (SentencePiece's protobuf or tiktoken's ranks, told apart by
    /// content) of a folder together with the files beside it (<see cref="TokenizerFacts"/>), or what a GGUF file has inside.
    /// </summary>
    /// <param name="path">The checkpoint's folder, or a GGUF file.</param>
    /// <param name="warnings">Receives what is amiss and can be lived with, one sentence each.</param>
    /// <returns>The tokenizer, or null when there is none.</returns>
    /// <exception cref="CheckpointException">The file cannot be read, is malformed, or asks for what is not supported.</exception>
    public static ITokenizer? Load(string path, List<string>? warnings = null)
    {
        warnings ??= [];
        path = CachePaths.Resolve(path);
        if (GgufPaths.Find(path) is { } file)
        {
            using var gguf = new GgufFile(file);
            return GgufTokenizer.Read(gguf.Metadata, warnings);
        }

        // Of Hugging Face's two files transformers takes tokenizer.json. In Meta's format there is only the other.
        var facts = TokenizerFacts.Read(path);
        string json = Path.Combine(path, "tokenizer.json");
        if (File.Exists(json)) return TokenizerJson.Read(SmallFile.Read(json, MaxJsonBytes), json, facts);

        string model = Path.Combine(path, "tokenizer.model");
        if (!File.Exists(model)) return null;
        byte[] content = SmallFile.Read(model, MaxModelBytes);
        return TiktokenFile.Recognises(content)
            ? TiktokenFile.Read(content, model)
            : SentencePieceModel.Read(content, model).CreateTokenizer(facts);
    }
}
