using System.Text.Json;
using Llama.Gateway.Api.Writing;

namespace Llama.Gateway.Api.Generation;

/// <summary>Writes one answer, as a stream or whole.</summary>
internal interface IAnswerWriter
{
    /// <summary>Writes what a piece adds to the stream.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="piece">The piece.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    ValueTask WritePieceAsync(JsonStream stream, ChoicePiece piece, CancellationToken cancellationToken);

    /// <summary>Writes what stands behind the last piece.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    ValueTask WriteEndAsync(JsonStream stream, CancellationToken cancellationToken);

    /// <summary>Writes the whole answer as one JSON value.</summary>
    /// <param name="json">Where to.</param>
    /// <param name="choices">Every choice's pieces.</param>
    void WriteWhole(Utf8JsonWriter json, IReadOnlyList<IReadOnlyList<ChoicePiece>> choices);
}
