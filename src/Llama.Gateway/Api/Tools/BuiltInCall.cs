using System.Text;
using System.Text.Json;

namespace Llama.Gateway.Api.Tools;

/// <summary>
/// Reads what stands behind <c>&lt;|python_tag|&gt;</c>: a JSON object, <c>name.call(key="value", …)</c>, or source code, which is a call of
/// the tool that runs it.
/// </summary>
/// <param name="names">The functions that may be called.</param>
internal sealed class BuiltInCall(IReadOnlySet<string> names) : ICallReader
{
    private const string Call = ".call(";
    private static readonly string[] Interpreters = ["code_interpreter", "python", "ipython"];

    private readonly StringBuilder text = new();
    private readonly StringBuilder arguments = new();
    private CallObject? inner;
    private string? name;
    private bool isCode;
    private bool isQuoted;

    /// <inheritdoc/>
    public string? Name => inner is null ? name : inner.Name;

    /// <inheritdoc/>
    public bool HasArguments => inner?.HasArguments ?? isCode;

    /// <inheritdoc/>
    public bool ClosesItself => true;

    /// <inheritdoc/>
    public CallState Take(char character)
    {
        if (inner is not null) return inner.Take(character);
        if (isCode) return Write(character);
        if (name is not null) return TakeValue(character);
        if (text.Length == 0 && char.IsWhiteSpace(character)) return CallState.Going;
        if (text.Length > 0 || character != '{') return TakeName(character);
        inner = new CallObject(needsArguments: false);
        return inner.Take(character);
    }

    /// <inheritdoc/>
    public bool End()
    {
        if (inner is null && name is null && text.Length > 0) BeginCode();
        if (isCode) arguments.Append("\"}");
        return isCode;
    }

    /// <inheritdoc/>
    public string TakeArguments()
    {
        if (inner is not null) return inner.TakeArguments();
        var more = arguments.ToString();
        arguments.Clear();
        return more;
    }

    // As long as it may become name.call( it is not known to be code.
    private CallState TakeName(char character)
    {
        text.Append(character);
        var found = text.ToString();
        var dot = found.IndexOf(Call[0], StringComparison.Ordinal);
        var called = dot < 0 ? found : found[..dot];
        if (!ToolUse.IsName(called) || (dot >= 0 && !Call.StartsWith(found[dot..], StringComparison.Ordinal))) return BeginCode();
        if (dot < 0 || found.Length < dot + Call.Length) return CallState.Going;
        if (!names.Contains(called)) return BeginCode();
        name = called;
        text.Clear();
        return CallState.Going;
    }

    private CallState BeginCode()
    {
        name = Interpreters.FirstOrDefault(names.Contains);
        if (name is null) return CallState.NoCall;
        isCode = true;
        arguments.Append("{\"code\": \"");
        foreach (var character in text.ToString()) Write(character);
        return CallState.Going;
    }

    private CallState Write(char character)
    {
        if (character is < ' ' or '"' or '\\') arguments.Append(JsonEncodedText.Encode([character]).Value);
        else arguments.Append(character);
        return CallState.Going;
    }

    private CallState TakeValue(char character)
    {
        if (character == ')' && !isQuoted)
        {
            WriteValues();
            return CallState.Complete;
        }

        if (character == '"' && !(text.Length > 0 && text[^1] == '\\')) isQuoted = !isQuoted;
        text.Append(character);
        return CallState.Going;
    }

    private void WriteValues()
    {
        var bytes = new MemoryStream();
        using (var json = new Utf8JsonWriter(bytes))
        {
            json.WriteStartObject();
            var values = text.ToString();
            while (values.IndexOf('=', StringComparison.Ordinal) is >= 0 and var equals)
            {
                json.WritePropertyName(values[..equals].Trim(' ', ','));
                values = values[(equals + 1)..].TrimStart();
                var isText = values.StartsWith('"');
                var end = values.IndexOf(isText ? '"' : ',', isText ? 1 : 0);
                while (isText && end > 0 && values[end - 1] == '\\') end = values.IndexOf('"', end + 1);
                if (end < 0) end = values.Length;
                WriteValue(json, isText ? values[1..end] : values[..end].Trim(), isText);
                values = values[Math.Min(values.Length, end + 1)..];
            }

            json.WriteEndObject();
        }

        arguments.Append(Encoding.UTF8.GetString(bytes.GetBuffer().AsSpan(0, (int)bytes.Length)));
    }

    private static void WriteValue(Utf8JsonWriter json, string value, bool isText)
    {
        if (!isText && IsJson(value)) json.WriteRawValue(value);
        else json.WriteStringValue(value.Replace("\\\"", "\"", StringComparison.Ordinal));
    }

    private static bool IsJson(string value)
    {
        try
        {
            using var document = JsonDocument.Parse(value);
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
