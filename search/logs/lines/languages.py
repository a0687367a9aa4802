"""Words of logs that are not English, and signs that are not ASCII, as what they are in English.

`english` works on all text that is not ASCII, `western` on one line in Latin letters, which may be ASCII.
"""

from __future__ import annotations

import re

ENGLISH = {
    "train_": "训练集上的 训练集上 训练集 训练时 训练 訓練集 訓練 訓練集 学習 학습 훈련",
    "val_": "验证集上的 验证集上 验证集 验证 校验集 校验 驗證集 驗證 検証 검증",
    "test_": "测试集上的 测试集上 测试集 测试 測試集 測試 評価 テスト 테스트 评估",
    "best_": "历史最佳 最佳 最好 最优 最高 最低 最良 최고",
    "mean_": "平均",
    "lr": "学习率 學習率 学習率 학습률",
    "loss": "损失函数值 损失函数 损失值 损失 損失 손실",
    "accuracy": "准确率 准确度 正确率 精度 準確率 正解率 정확도",
    "precision": "精确率 查准率 適合率 정밀도",
    "recall": "召回率 查全率 再現率 재현율",
    "f1": "F1分数 F1值 F1-分数 F1スコア",
    "perplexity": "困惑度",
    "reward": "累计奖励 奖励 回报 獎勵 報酬 보상",
    "time": "总耗时 耗时 用时 时间 時間 시간",
    "epoch ": "轮次 轮数 训练轮次 エポック 에폭 에포크",
    "iter ": "迭代次数 迭代",
    "step ": "步数 步骤 ステップ 스텝",
}
"""Words of logs in Chinese, Japanese and Korean, and what they are in English."""
RUSSIAN = {
    "train_": "обучающая обучающие обучение обучения обучении тренировка тренировочная тренировочные трен",
    "val_": "валидация валидации валидационная валидационные проверка вал",
    "test_": "тест тесте тестовая тестовые",
    "best_": "лучшая лучшие лучший",
    "mean_": "средняя средние",
    "lr": "шаг_обучения скорость_обучения",
    "loss": "потери потеря лосс",
    "error": "ошибка ошибки",
    "f1": "f1-мера f1_мера f-мера",
    "accuracy": "точность",
    "recall": "полнота",
    "reward": "награда вознаграждение",
    "time": "время",
    "epoch ": "эпоха эпохи эпоху",
    "iter ": "итерация",
    "step ": "шаг",
}
"""The same in Russian, where a word ends as its sentence asks, so that it is looked for as a whole; ``_`` is a blank in one."""
WORDS = {theirs: ours for ours, words in ENGLISH.items() for theirs in words.split()}
FOREIGN = re.compile("|".join(sorted(map(re.escape, WORDS), key=len, reverse=True)))
CYRILLIC = {theirs.replace("_", " "): ours for ours, words in RUSSIAN.items() for theirs in words.split()}
SLAVIC = re.compile(
    rf"(?<![а-яё])(?:на )?(?P<word>{'|'.join(sorted(CYRILLIC, key=len, reverse=True))})(?:\.(?= ?[а-яё])|(?![а-яё]))", re.I
)
GERMAN = {
    "train_": "trainings",
    "val_": "validierungs validierung",
    "test_loss": "testverlust",
    "test_accuracy": "testgenauigkeit",
    "lr": "lernrate",
    "loss": "verlust",
    "accuracy": "genauigkeit",
    "precision": "präzision",
    "recall": "trefferquote",
    "reward": "belohnung",
    "epoch ": "epoche",
    "step ": "schritt",
}
"""The same in German, where words are written together."""
TEUTONIC = {theirs: ours for ours, words in GERMAN.items() for theirs in words.split()}
COMPOUND = re.compile("|".join(sorted(TEUTONIC, key=len, reverse=True)), re.I)
SUSPECT = ("erlust", "enauigkeit", "poche", "ernrate", "alidierung", "elohnung", "chritt")
"""Parts of words of which a line in German, which may be ASCII, has one."""
ROMANCE = {
    "train_": "entraînement entrainement entrenamiento treinamento treino addestramento treningowa treningowe eğitim train",
    "val_": "validation validación validacion validação validacao validazione convalida validatie walidacja walidacyjna "
    "doğrulama dogrulama val valid",
    "test_": "prueba teste testowa test",
    "best_": "meilleur meilleure mejor melhor migliore beste najlepsza",
    "lr": "taux_d'apprentissage tasa_de_aprendizaje taxa_de_aprendizado taxa_de_aprendizagem tasso_di_apprendimento",
    "loss": "perte pertes pérdida pérdidas perdida perda perdas perdita verlies strata kayıp kayip kaybı kaybi",
    "error": "erreur errore erro",
    "accuracy": "exactitude exactitud acurácia acuracia accuratezza nauwkeurigheid dokładność dokladnosc doğruluk doğruluğu",
    "precision": "précision precisión precisão precisao precisione precisie precyzja",
    "recall": "rappel exhaustividad revocação richiamo",
    "reward": "récompense recompensa ricompensa",
    "epoch ": "époque epoque época epoca epoka dönem",
    "iter ": "itération iteración iteracion iteração iteracao iterazione",
    "step ": "étape etape paso passo",
}
"""The same in French, Spanish, Portuguese, Italian, Dutch, Polish and Turkish, where a word is looked for as a whole. What may be
precision or accuracy is taken for precision, of which no chance is known."""
LATIN = {theirs.replace("_", " "): ours for ours, words in ROMANCE.items() for theirs in words.split()}
WESTERN = re.compile(
    r"(?<![^\W\d_])(?:(?:del?|du|d[oai]|della|en|em|sur|su|van|na) |d['’])?"
    rf"(?P<word>{'|'.join(sorted(LATIN, key=len, reverse=True))})(?![^\W\d_])(?P<of> (?:de|of|di|sur)(?= \d))?",
    re.I,
)
FOREBODES = (
    *("erte", "érdida", "erdida", "erda", "erdita", "erlies", "oğrul", "ogrul", "ayıp", "ayip", "aybı", "okładno", "okladno"),
    *("poque", "poca ", "poka ", "xactitud", "curácia", "curacia", "ccuratezza", "auwkeurig", "compens", "icompensa"),
)
"""Parts of words of which a line in one of these languages has one."""
BEHIND = re.compile(r"\b(?P<name>loss|error|accuracy|precision|recall) (?P<side>train_|val_|test_)(?= ?[:=]? ?[\d.])")
"""A side behind the name that it belongs to, as these languages have it."""
EASTERN = re.compile("[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af\uff01-\uff5e]")
CYRILLIC_LETTER = re.compile("[\u0430-\u044f]")
ROUND = re.compile(r"第\s*(\d+)\s*(?:/\s*(\d+)\s*)?(?:个|個)?\s*(?:轮|輪|代|回|次迭代|周期|[Ee]poch)")
ROUND_OF = re.compile(r"(?<![\d.])(\d+)\s*/\s*(\d+)\s*(?:轮|輪)")
IS = re.compile(r"\s*(?:为|為|是|达到|達到)\s*:?\s*(?=[-+]?[\d.])")
"""What stands between a name and its number in a sentence."""
PUNCTUATION = str.maketrans(
    {"：": ":", "，": ",", "；": ";", "（": "(", "）": ")", "％": "%", "。": " ", "、": ",", "【": "[", "】": "]", "№": " "}
)
PUNCTUATION |= str.maketrans({"│": "|", "┃": "|", "║": "|", "━": "-", "─": "-", "═": "-", "−": "-", "\u00a0": " "})


def english(text: str) -> str:
    """``text`` with the words of logs that are not English, and signs that are not ASCII, replaced."""
    text = text.translate(PUNCTUATION)
    if CYRILLIC_LETTER.search(text):
        text = BEHIND.sub(r"\g<side>\g<name>", SLAVIC.sub(lambda match: CYRILLIC[match["word"].lower()], text))
    if not EASTERN.search(text):
        return text
    text = ROUND.sub(lambda match: f" Epoch {match[1]}" + (f"/{match[2]} " if match[2] else " "), text)
    text = IS.sub(": ", ROUND_OF.sub(r"Epoch \1/\2 ", text))
    return FOREIGN.sub(lambda match: WORDS[match[0]], text)


def western(line: str) -> str:
    """``line`` with the words of logs in languages of Latin letters in English."""
    if any(part in line for part in SUSPECT):
        line = COMPOUND.sub(lambda match: TEUTONIC[match[0].lower()], line)
    if any(part in line for part in FOREBODES):
        line = WESTERN.sub(lambda match: LATIN[match["word"].lower()] + ("/" if match["of"] else ""), line)
        line = BEHIND.sub(r"\g<side>\g<name>", line)
    return line
