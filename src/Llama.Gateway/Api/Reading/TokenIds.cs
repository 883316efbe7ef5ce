using System.Text.Json;
using Llama.Gateway.Api.Errors;

namespace Llama.Gateway.Api.Reading;

/// <summary>Reads lists of token ids.</summary>
internal static class TokenIds
{
    /// <summary>Reads a list of token ids.</summary>
    /// <param name="list">The list.</param>
    /// <param name="path">Where it lies in the request.</param>
    /// <param name="param">The request's field that it is or is part of.</param>
    /// <param name="vocabSize">How many ids the model has.</param>
    /// <exception cref="ApiException">An element is no integer, or not in the vocabulary.</exception>
    public static int[] Read(JsonElement list, string path, string param, int vocabSize)
    {
        var tokens = new int[list.GetArrayLength()];
        var index = 0;
        foreach (var element in list.EnumerateArray())
        {
            if (!JsonFields.TryReadInteger(element, out var token) || token < 0 || token >= vocabSize)
                throw JsonFields.Wrong($"{path}[{index}]", element, $"a token id from 0 to {vocabSize - 1}", param);
            tokens[index++] = (int)token;
        }

        return tokens;
    }
}
