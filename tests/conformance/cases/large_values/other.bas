def total(numbers)
  sum = 0
  for n in numbers
    sum = sum + n
  next
  return sum
enddef
def repeated(text, count)
  result = ""
  for i = 1 to count
    result = result + text
  next
  return result
enddef
expose(total)
expose(repeated)
